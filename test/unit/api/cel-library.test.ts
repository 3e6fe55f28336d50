import t from 'tap';
import { CelCompileError } from '../../../api/machinery/cel/errors.ts';
import { baseEnvironment, jsonPatchLibrary } from '../../../api/machinery/cel/library/base.ts';
import { compile, plainValue } from '../../../api/machinery/cel/program.ts';

const environment = () => baseEnvironment().extend({ functions: jsonPatchLibrary() });

/** Expressions and their results. */
const RESULTS: readonly (readonly [string, unknown])[] = [
  // https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-list-library
  ['[1, 2, 3].isSorted() && !["b", "a"].isSorted() && [].isSorted()', true],
  ['[1, 3].sum()', 4],
  ['[1.5, 2.5].sum() == 4.0', true],
  ['[].sum() == 0', true],
  ['[duration("1m"), duration("1s")].sum() == duration("61s")', true],
  ['["b", "a"].min() + ["b", "a"].max()', 'ab'],
  ['[1, 2, 2, 3].indexOf(2)', 1],
  ['["a", "b", "b", "c"].lastIndexOf("b")', 2],
  ['[1.0].indexOf(1.1)', -1],
  ['[1, 2, 3, 4].slice(1, 3)', [2, 3]],
  ['[[1, 2], [3]].flatten()', [1, 2, 3]],
  ['[[[1], [2]], [[3]]].flatten(2)', [1, 2, 3]],
  ['[3, 1, 2].sort()', [1, 2, 3]],
  ['["aa", "b", "ccc"].sortBy(x, size(x))', ['b', 'aa', 'ccc']],
  ['[1, 2, 1].distinct()', [1, 2]],
  ['[1, 2].reverse()', [2, 1]],
  ['lists.range(3)', [0, 1, 2]],
  ['sets.contains([1, 2], [2]) && !sets.contains([1], [2])', true],
  ['sets.equivalent([1, 2], [2, 1, 1])', true],
  ['sets.intersects([1], [1, 2]) && !sets.intersects([1], [2])', true],
  // #kubernetes-regex-library
  ['"abc 123".find("[0-9]+")', '123'],
  ['"abc".find("[0-9]+")', ''],
  ['"123 abc 456".findAll("[0-9]+")', ['123', '456']],
  ['"123 abc 456".findAll("[0-9]+", 1)', ['123']],
  ['"abc".matches("^[a-c]+$") && matches("abc", "b")', true],
  // #kubernetes-url-library
  ['url("https://example.com:80/").getHost()', 'example.com:80'],
  ['url("https://example.com:80/").getHostname() + url("https://example.com:80/").getPort()', 'example.com80'],
  ['url("https://[::1]:80/").getHostname()', '::1'],
  ['url("https://example.com/path with spaces/").getEscapedPath()', '/path%20with%20spaces/'],
  ['url("https://example.com/path?k1=a&k2=b&k2=c").getQuery()', { k1: ['a'], k2: ['b', 'c'] }],
  ['url("/absolute-path").getScheme()', ''],
  ['isURL("https://a:b@example.com:80/path?query=val#fragment") && isURL("/absolute-path")', true],
  ['isURL("https://a:b@example.com:port/path") || isURL("../relative-path") || isURL("")', false],
  ['url("https://a") == url("https://a")', true],
  // #kubernetes-ip-address-library and #kubernetes-cidr-library
  [
    'isIP("127.0.0.1") && isIP("::1") && !isIP("127.0.0.256") && !isIP("::ffff:1.2.3.4") && !isIP("fe80::1%eth0")',
    true,
  ],
  ['!isIP("010.0.0.1")', true],
  ['ip("2001:db8::abcd").family() + ip("127.0.0.1").family()', 10],
  ['string(ip("2001:DB8::ABCD"))', '2001:db8::abcd'],
  ['ip.isCanonical("2001:db8::abcd") && !ip.isCanonical("2001:DB8::ABCD")', true],
  ['ip("0.0.0.0").isUnspecified() && ip("::1").isLoopback()', true],
  ['ip("224.0.0.1").isLinkLocalMulticast() && ip("fe80::1").isLinkLocalUnicast()', true],
  ['ip("192.168.0.1").isGlobalUnicast() && !ip("255.255.255.255").isGlobalUnicast()', true],
  ['ip("127.0.0.1") == ip("127.0.0.1")', true],
  ['isCIDR("192.168.0.0/24") && isCIDR("::1/128") && !isCIDR("192.168.0.0/33") && !isCIDR("192.168.0.1")', true],
  ['cidr("192.168.0.0/24").containsIP("192.168.0.1")', true],
  ['cidr("192.168.0.0/24").containsIP(ip("192.168.1.1"))', false],
  ['cidr("192.168.0.0/16").containsCIDR("192.168.10.0/24")', true],
  ['cidr("192.168.0.0/24").containsCIDR(cidr("192.168.0.0/16"))', false],
  ['string(cidr("192.168.1.5/24"))', '192.168.1.5/24'],
  ['string(cidr("192.168.1.5/24").masked()) + string(cidr("192.168.1.5/24").ip())', '192.168.1.0/24192.168.1.5'],
  ['cidr("192.168.0.0/24").prefixLength()', 24],
  ['type(ip("::1")) == net.IP && type(cidr("::/0")) == net.CIDR', true],
  // #kubernetes-quantity-library
  ['isQuantity("1.3Gi") && isQuantity("10000k") && !isQuantity("1,3G") && !isQuantity("Three")', true],
  ['quantity("50000000G").isInteger() && !quantity("50.5").isInteger()', true],
  ['quantity("50k").asInteger()', 50000],
  ['quantity("10000k").asApproximateFloat() == 10000000.0', true],
  ['sign(quantity("-1")) == -1 && sign(quantity("0")) == 0', true],
  ['quantity("200M").isGreaterThan(quantity("0.2Gi")) || quantity("50Mi").isLessThan(quantity("50M"))', false],
  ['quantity("200M").compareTo(quantity("0.2G"))', 0],
  ['quantity("50k").add(quantity("20")) == quantity("50020")', true],
  ['quantity("50k").sub(20000) == quantity("30k")', true],
  ['quantity("1Mi") == quantity("1024Ki")', true],
  // Semantic versions.
  ['isSemver("1.2.3-alpha.1+build") && !isSemver("1.2") && !isSemver("01.2.3") && !isSemver("v1.2.3")', true],
  ['isSemver("v1.02", true) && !isSemver("1.2-beta", true)', true],
  ['semver("1.2.3").major() * 100 + semver("1.2.3").minor() * 10 + semver("1.2.3").patch()', 123],
  ['semver("1.2.3-alpha").isLessThan(semver("1.2.3")) && semver("1.10.0").isGreaterThan(semver("1.9.0"))', true],
  ['semver("1.0.0-alpha.1").compareTo(semver("1.0.0-alpha.beta"))', -1],
  ['semver("v1.2", true) == semver("1.2.0")', true],
  // Named formats.
  ['format.dns1123Label().validate("my-label-name").hasValue()', false],
  ['format.dns1123Label().validate("Contains_Underscore").hasValue()', true],
  ['format.named("uuid").hasValue() && !format.named("unknown").hasValue()', true],
  ['format.named("uuid").value().validate("x").value()', ['does not match the UUID format']],
  ['format.uri().validate("http://example.com") == optional.none()', true],
  ['format.date().validate("2021-01-32").value()', ['invalid date']],
  ['format.byte().validate("aGVsbG8=").hasValue()', false],
  ['format.labelValue().validate("a b").hasValue()', true],
  // Strings.
  ['"tacocat".charAt(3) + "tacocat".charAt(7)', 'o'],
  ['"tacocat".indexOf("a") + "tacocat".indexOf("a", 3) * 10', 51],
  ['"tacocat".indexOf("none")', -1],
  ['"tacocat".lastIndexOf("a") + "tacocat".lastIndexOf("a", 3) * 10', 15],
  ['"hello mellow".indexOf("", 20)', 12],
  ['"😀a😀b".indexOf("b")', 3],
  ['"😀a😀b".substring(1, 3)', 'a😀'],
  ['"tacocat".substring(3) + "tacocat".substring(0, 2)', 'ocatta'],
  ['"TacoCÆt Xii".lowerAscii() + "tacoCæt".upperAscii()', 'tacocÆt xiiTACOCæT'],
  ['"hello hello".replace("he", "we")', 'wello wello'],
  ['"hello hello".replace("he", "we", 1)', 'wello hello'],
  ['"ab".replace("", "_")', '_a_b_'],
  ['"12 days 12 hours".replace("{0}", "2", 0)', '12 days 12 hours'],
  ['"hello hello hello".split(" ")', ['hello', 'hello', 'hello']],
  ['"hello hello hello".split(" ", 2)', ['hello', 'hello hello']],
  ['"abc".split("")', ['a', 'b', 'c']],
  ['"a b".split(" ", 0)', []],
  ['["x", "y"].join() + ["x", "y"].join("-")', 'xyx-y'],
  ['"  \\ttrim\\n    ".trim()', 'trim'],
  ['strings.quote("a\\"b\\n")', '"a\\"b\\n"'],
  ['"%s is %d, %.2f, %x, %b, %o, %%".format(["a", 42, 1.5, 255, 5, 8])', 'a is 42, 1.50, ff, 101, 10, %'],
  ['"%s %s".format([[1, "b"], {"k": true}])', '[1, "b"] {"k":true}'],
  ['"%e".format([1052.032911275])', '1.052033×10⁰³'],
  ['"%X %s".format(["ab", null])', '6162 null'],
  ['jsonpatch.escapeKey("k8s.io/my~label")', 'k8s.io~1my~0label'],
];

t.test('the functions that Kubernetes offers return what upstream returns', (t) => {
  for (const [expression, value] of RESULTS) {
    const program = compile(expression, environment());
    t.strictSame(plainValue(program.evaluate({}).value), value, expression);
  }
  t.end();
});

const FAILURES: readonly (readonly [string, string])[] = [
  ['[].min() == 1', 'min called on empty list'],
  [
    'url("../relative-path").getHost()',
    'URL parse error during conversion from string: parse "../relative-path": invalid URI for request',
  ],
  [
    'url("https://a:b@example.com:port/").getHost()',
    'URL parse error during conversion from string: parse "https://a:b@example.com:port/": invalid port ":port" after host',
  ],
  ['ip("::ffff:1.2.3.4").family()', 'IPv4-mapped IPv6 address "::ffff:1.2.3.4" is not allowed'],
  ['ip("fe80::1%eth0").family()', 'IP address "fe80::1%eth0" with zone value is not allowed'],
  [
    'quantity("Three").sub(1)',
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
  ],
  ['quantity("0.5").asInteger()', 'cannot convert value to integer'],
  ['semver("1.2").major()', 'No Major.Minor.Patch elements found'],
  ['"abc".charAt(4)', 'index out of range: 4'],
  ['"abc".substring(2, 1)', 'invalid substring range. start: 2, end: 1'],
  ['"%d".format(["a"])', 'error during formatting: decimal clause can only be used on integers, was given string'],
  ['"%s".format([])', 'index 0 out of range'],
  ['"%a".format([1])', 'could not parse formatting clause: unrecognized formatting clause "a"'],
  ['[1].slice(0, 2)', 'cannot slice(0, 2), list is length 1'],
  ['"a".find(string("(")) == ""', 'Illegal regex: error parsing regexp: missing closing ): `(`'],
];

t.test('what functions cannot do is an error with upstream’s message', (t) => {
  for (const [expression, message] of FAILURES)
    t.throws(() => compile(expression, environment()).evaluate({}), { message, reason: 'failed' }, expression);
  t.end();
});

t.test('arguments of wrong types are found when an expression is compiled', (t) => {
  for (const expression of [
    '[{"a": 1}].sum()',
    '["a"].sum()',
    '"a".sum()',
    'quantity(1)',
    'ip("::1") == "::1"',
    'cidr("::/0").containsIP(1)',
    'url("a").getPath()',
    'semver("1.2.3").isLessThan("1.2.4")',
    '"a".reverse()',
    '"a".matches("(")',
    'strings.quote(1)',
  ])
    t.throws(() => compile(expression, environment()), CelCompileError, expression);
  t.end();
});

t.test('no call makes or reads more than an evaluation may', (t) => {
  const big = `lists.range(100000).map(x, "aaaaaaaaaa").join()`;
  for (const expression of [
    `${big}.replace("a", ${big})`,
    `${big}.replace("", ${big})`,
    `${big}.indexOf(${big}) == 0`,
    'lists.range(1000000000)',
    `lists.range(100000).all(x, ${big}.size() > 0)`,
    'lists.range(100000).all(x, timestamp(0).getHours("Europe/Berlin") >= 0)',
    'lists.range(100000).all(x, string(x).matches(string(x) + "a{1000}") || true)',
    `lists.range(1000).map(x, [[${big}] == [${big}]].size()).size() > 0`,
    'lists.range(2000).map(x, lists.range(2000)).flatten().distinct()',
    '"%s".format([lists.range(1000).map(x, lists.range(1000))])',
    // Each list twice the one before.
    ...['size()', 'sum()', 'isSorted()', 'max()', 'indexOf(2)', 'reverse()', 'slice(0, 100000)', 'distinct()'].map(
      (call) => `[[1]]${'.map(x, x + x)'.repeat(60)}[0].${call}`,
    ),
    `[["a"]]${'.map(x, x + x)'.repeat(60)}[0].join()`,
    `[[["a"]]]${'.map(x, x + x)'.repeat(60)}[0].flatten()`,
    `"%s".format([[1]]${'.map(x, x + x)'.repeat(60)})`,
  ]) {
    const started = performance.now();
    const run = (): void => {
      compile(expression, environment()).evaluate({});
    };
    t.throws(run, { message: 'operation cancelled: actual cost limit exceeded', reason: 'cost' }, expression);
    t.ok(performance.now() - started < 10_000, expression);
  }
  t.end();
});

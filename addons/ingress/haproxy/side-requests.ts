/**
 * Requests that the proxy makes beside the one that it serves: it asks a service whether a request is allowed, or sends a copy of it elsewhere.
 * A script of the proxy's own sends each to a socket of the proxy, with the name of a section: so that everything about it, from time limits to TLS, is
 * said in a section as for any other request, and an answer never reaches the script but for a status and short values. Pure.
 */
import { createHash } from 'node:crypto';
import path from 'node:path';
import { NOT_FOUND } from './names.ts';
import { name, quoted } from './text.ts';

/** The script, by its name among the files of a configuration. */
export const SCRIPT_FILE = 'side-requests.lua';

/** Connections that the proxy makes to itself have this id: beyond those that the proxy numbers sockets with, of which each has a port and an address. */
const OWN_ID = 1_000_000_000;
export const IS_OWN_REQUEST = `{ so_id ${OWN_ID} }`;

const HASH_CHARACTERS = 16;

export class SideRequests {
  readonly #directory: string;
  readonly #sections = new Map<string, readonly string[]>();
  /** Some request is sent to the proxy's own hosts. */
  #asksItself = false;
  #copies = false;
  /** Names are looked up. */
  usesResolvers = false;

  /** @param directory of sockets: those of one worker lead to the next one, so that requests of the one before are served */
  constructor(directory: string) {
    this.#directory = directory;
  }

  get areUsed(): boolean {
    return this.#copies || this.#sections.size > 0;
  }

  /** Adds a section that is asked. Equal ones are one. Returns its name. */
  add(lines: readonly string[]): string {
    const section = `ask-${createHash('sha256').update(lines.join('\n')).digest('hex').slice(0, HASH_CHARACTERS)}`;
    this.#sections.set(section, lines);
    return section;
  }

  /** Copies are sent to the section of a backend. */
  expectCopies(): void {
    this.#copies = true;
  }

  /** The server of a section whose requests are for a host that this proxy serves itself. */
  ownServer(): string {
    this.#asksItself = true;
    return `server own ${this.#address('own')}`;
  }

  #address(socket: string): string {
    return `unix@${path.join(this.#directory, `${socket}.sock`)}`;
  }

  globalLines(script: string): string[] {
    // Threads have a state of their own each: one that waits keeps no other from running.
    return this.areUsed ? [`  lua-load-per-thread ${quoted(script)}`] : [];
  }

  /** The script, as Lua. */
  script(): string {
    return `local socket = [==[${this.#address('ask')}]==]\n${SCRIPT}`;
  }

  bindLines(): string[] {
    return this.#asksItself ? [`  bind ${this.#address('own')} mode 600 id ${OWN_ID}`] : [];
  }

  /** What the script sends goes to the section that it names. */
  lines(): string[] {
    if (!this.areUsed) return [];
    return [
      'frontend side',
      `  bind ${this.#address('ask')} mode 600`,
      '  no log',
      ...PASSED.map((each) => `  http-request set-var(txn.${each}) req.hdr(x-kedge-${each})`),
      '  http-request set-src var(txn.source)',
      '  http-request del-header x-kedge- -m beg',
      '  use_backend %[var(txn.section)] if { var(txn.section) -m found }',
      `  default_backend ${NOT_FOUND}`,
      ...[...this.#sections].flatMap(([section, lines]) => [
        `backend ${name(section)}`,
        ...lines.map((line) => `  ${line}`),
      ]),
    ];
  }
}

/** What the script says about the request that it is about. */
const PASSED = ['section', 'source', 'method', 'scheme', 'host', 'bound'];

/**
 * `kedge_ask SECTION COUNT` sets `txn.asked` to the status of the answer (500 without one), `txn.challenge`, and `txn.told0` and so on to what the section
 * says; `kedge_copy SECTION` does not wait. https://www.arpalert.org/src/haproxy-lua-api/2.6/index.html#httpclient-class
 */
const SCRIPT = `
-- Sections have limits of their own, which together are shorter.
local LIMIT_MS = 200000
local MAX_COPIES = 200
local MAX_BODY = 15000
local copies = 0

-- What is about one connection, or about a body that is not sent.
local LEFT_OUT = {
  ["connection"] = true, ["keep-alive"] = true, ["proxy-connection"] = true, ["te"] = true, ["trailer"] = true,
  ["transfer-encoding"] = true, ["upgrade"] = true, ["content-length"] = true, ["expect"] = true,
}

local function request_of(txn, section)
  local headers = {}
  for name, values in pairs(txn.http:req_get_headers()) do
    if not LEFT_OUT[name] and name:sub(1, 8) ~= "x-kedge-" then headers[name] = values end
  end
  local function say(name, value)
    if value ~= nil and value ~= "" then headers["x-kedge-" .. name] = { [0] = tostring(value) } end
  end
  say("section", section)
  say("source", txn.f:src())
  say("method", txn.f:method())
  say("scheme", txn:get_var("txn.scheme"))
  say("host", txn:get_var("txn.host"))
  say("bound", txn:get_var("txn.bound"))
  local at = txn.f:pathq()
  if at == nil or at:sub(1, 1) ~= "/" then at = "/" end
  -- An address: the host is that of a header, and a name would be looked up.
  return { url = "http://192.0.2.1" .. at, headers = headers, dst = socket, timeout = LIMIT_MS }
end

core.register_action("kedge_ask", { "http-req" }, function(txn, section, count)
  local request = request_of(txn, section)
  local ok, answer = pcall(function() return core.httpclient():get(request) end)
  if not ok or answer == nil or answer.status == nil then
    txn:set_var("txn.asked", 500)
    return
  end
  txn:set_var("txn.asked", answer.status)
  local function take(name, variable)
    local values = answer.headers and answer.headers["x-kedge-" .. name]
    if values and values[0] and values[0] ~= "" then txn:set_var(variable, values[0]) end
  end
  take("challenge", "txn.challenge")
  for index = 0, tonumber(count) - 1 do take("told-" .. index, "txn.told" .. index) end
end, 2)

core.register_action("kedge_copy", { "http-req" }, function(txn, section)
  if copies >= MAX_COPIES then return end
  local request = request_of(txn, section)
  local length = tonumber(txn.f:req_hdr("content-length") or "")
  local method = txn.f:method()
  if length == nil and method ~= "GET" and method ~= "HEAD" and method ~= "OPTIONS" and method ~= "DELETE" then return end
  if length ~= nil and length > 0 then
    local body = txn.f:req_body()
    if length > MAX_BODY or body == nil or #body ~= length then return end
    request.body = body
  end
  copies = copies + 1
  core.register_task(function()
    pcall(function()
      local client = core.httpclient()
      if request.body then client:post(request) else client:get(request) end
    end)
    copies = copies - 1
  end)
end, 1)
`;

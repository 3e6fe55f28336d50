import t, { type Test } from 'tap';
import { ServiceManager, takeServiceManager } from '../../../daemon/service-manager.ts';
import { Log } from '../../support/log.ts';
import { eventually } from '../../support/wait.ts';

/** A manager, with what it has been told. */
function managed(t: Test, watchdogMs?: number) {
  const told: string[][] = [];
  let answer: Promise<void> = Promise.resolve();
  const manager = new ServiceManager({
    send: (assignments) => {
      told.push([...assignments]);
      return answer;
    },
    watchdogMs,
    logger: new Log(),
  });
  t.teardown(() => manager[Symbol.asyncDispose]());
  const answerWith = (next: Promise<void>): void => void (answer = next);
  return { manager, told, answerWith };
}

t.test('what the service manager has said is for this process alone, and not for programs that it starts', (t) => {
  const environment = {
    NOTIFY_SOCKET: '/run/systemd/notify',
    WATCHDOG_USEC: '90000000',
    WATCHDOG_PID: '7',
    PATH: '/bin',
  };
  const other = { ...environment };
  t.equal(takeServiceManager(environment, 7).watchdogMs, 90_000);
  t.strictSame(environment, { PATH: '/bin' });
  t.equal(takeServiceManager(other, 8).watchdogMs, undefined, 'the watchdog is of another process');
  const odd = { NOTIFY_SOCKET: '@abstract', WATCHDOG_USEC: '1e9' };
  t.equal(takeServiceManager(odd, 8).watchdogMs, undefined);
  t.strictSame(takeServiceManager({ WATCHDOG_USEC: '1000000' }, 8), { send: undefined, watchdogMs: undefined });
  t.end();
});

t.test('messages are sent one after the other, and the last of each kind stands for those before', async (t) => {
  const { manager, told, answerWith } = managed(t);
  const first = Promise.withResolvers<void>();
  answerWith(first.promise);
  manager.status('opening the store');
  answerWith(Promise.resolve());
  manager.status('one');
  manager.status('two\n\u001b\u202eREADY=0');
  manager.ready();
  manager.ready();
  t.strictSame(told, [['STATUS=opening the store']]);
  first.resolve();
  await manager[Symbol.asyncDispose]();
  t.strictSame(told.slice(1), [['STATUS=two READY=0', 'READY=1']], 'in one line each');
  manager.status('two READY=0');
  await manager[Symbol.asyncDispose]();
  t.equal(told.length, 2, 'nothing is told twice');
});

t.test('a message that cannot be sent is logged, and the next one is sent', async (t) => {
  const { manager, told, answerWith } = managed(t);
  answerWith(Promise.reject(new Error('no such program')));
  manager.ready();
  answerWith(Promise.resolve());
  manager.status('here');
  await manager[Symbol.asyncDispose]();
  t.strictSame(told, [['READY=1'], ['STATUS=here']]);
});

t.test('signs of life end while a part does not answer, and go on when it does', async (t) => {
  const { manager, told } = managed(t, 30);
  const signs = (): number => told.flat().filter((assignment) => assignment === 'WATCHDOG=1').length;
  let answer: () => Promise<string | undefined> = () => Promise.resolve(undefined);
  let asked = 0;
  manager.watch(() => {
    asked++;
    return answer();
  });
  await eventually('signs of life', () => signs() >= 2);
  for (const bad of [
    () => Promise.resolve('no answer of the scheduler'),
    () => Promise.reject(new Error('broken')),
    () => new Promise<undefined>(() => undefined),
  ]) {
    answer = bad;
    const from = asked;
    await eventually('it to be asked', () => asked > from);
    const before = signs();
    await eventually('it to be asked again', () => asked > from + 3);
    t.equal(signs(), before);
  }
  answer = () => Promise.resolve(undefined);
  const before = signs();
  await eventually('signs of life again', () => signs() > before);
});

t.test('a reload is told with its begin and its end, also when it fails', async (t) => {
  const { manager, told } = managed(t);
  t.teardown(() => process.removeAllListeners('SIGHUP'));
  const running = Promise.withResolvers<void>();
  manager.onReload(() => running.promise);
  process.kill(process.pid, 'SIGHUP');
  await eventually('the begin to be told', () => told.flat().includes('RELOADING=1'));
  t.notOk(told.flat().includes('READY=1'));
  running.reject(new Error('a file is wrong'));
  await eventually('the end to be told', () => told.flat().at(-1) === 'READY=1');
});

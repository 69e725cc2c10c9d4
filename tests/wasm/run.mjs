// Calls every export of the package beside this file: node run.mjs MODULE.wasm
// Each gets an instance of its own: after a panic an instance is of no use.

import { readFileSync } from 'node:fs';

// What the panic of each `trap_` export must say.
const PANICS = {
  trap_blocking_recv: 'a blocking call would wait for ever: this target has no threads',
  trap_blocking_send: 'a blocking call would wait for ever: this target has no threads',
  trap_recv_timeout: 'time not implemented on this platform',
};

const module = await WebAssembly.compile(readFileSync(process.argv[2]));

async function call(name) {
  let said = '';
  const say = (text, len) => {
    said += new TextDecoder().decode(new Uint8Array(instance.exports.memory.buffer, text, len));
  };
  const instance = await WebAssembly.instantiate(module, { env: { say } });
  instance.exports.init();
  try {
    instance.exports[name]();
  } catch (trap) {
    return said || `a trap without a word: ${trap.message}`;
  }
  return null;
}

let [passed, failed] = [0, 0];
for (const { name, kind } of WebAssembly.Module.exports(module)) {
  if (kind !== 'function' || name === 'init') continue;
  const panic = await call(name);
  const expected = name.startsWith('trap_') ? PANICS[name] ?? 'a line in PANICS' : null;
  const ok = expected === null ? panic === null : panic?.includes(expected) ?? false;
  ok ? (passed += 1) : (failed += 1);
  if (!ok) console.log(`${name}: ${panic ?? `returned, but should have said: ${expected}`}`);
}
console.log(`test result: ${failed ? 'FAILED' : 'ok'}. ${passed} passed; ${failed} failed`);
process.exitCode = failed || passed === 0 ? 1 : 0;

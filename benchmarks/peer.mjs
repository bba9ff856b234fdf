// One measurement a line: builds what is asked for, loads float32 arrays, times its own calls, writes the last outputs.
// Run in the folder that holds node_modules.

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const peer = createRequire(process.cwd() + "/")("@ruvector/attention");

function rows(floats, start, count, width) {
  return Array.from({ length: count }, (_, i) => floats.slice(start + i * width, start + (i + 1) * width));
}

function load({ arrays, queries, keys, width }) {
  const bytes = readFileSync(arrays);
  const floats = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  const ends = [0, queries, queries + keys].map((row) => row * width);
  return [queries, keys, keys].map((count, i) => rows(floats, ends[i], count, width));
}

// The package takes one query a call, so a sequence is a loop.
function loop(built, [query, key, value], positions) {
  const first = key.length - query.length;
  const places = key.map((_, j) => j);
  const one = positions
    ? (q, i) => built.computeWithPositions(q, key, value, first + i, places)
    : (q) => built.compute(q, key, value);
  return () => query.map(one);
}

function timed(call) {
  const start = process.hrtime.bigint();
  const outputs = call();
  return [Number(process.hrtime.bigint() - start) / 1e6, outputs];
}

function measure(asked) {
  const [name, ...args] = asked.make;
  const call = loop(new peer[name](...args), load(asked), asked.positions);
  const warm = performance.now() + 100 * asked.seconds;
  do call();
  while (performance.now() < warm);
  const ms = [];
  let outputs;
  const end = performance.now() + 1000 * asked.seconds;
  while (ms.length < asked.calls && (ms.length < 3 || performance.now() < end)) {
    const [took, answer] = timed(call);
    ms.push(took);
    outputs = answer;
  }
  writeFileSync(asked.outputs, Buffer.concat(outputs.map((row) => Buffer.from(row.buffer, row.byteOffset, row.byteLength))));
  return { ms };
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = measure(JSON.parse(line));
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}

// Whether another implementation of signed notes and of RFC 6962 finds a record of ours sound.
//
// `node record.mjs FOLDER < INPUT` reads {"export": text, "keys": [verifier key]} and writes {"events",
// "wrong": [text]}. The export has a proof for each event. FOLDER is where npm installed
// @sigstore/verify, which checks the checkpoint and the proofs; the bytes of a leaf are put together
// here, by docs/verifying.md alone.

import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.argv[2], "package.json"));
const { verifyCheckpoint } = require("@sigstore/verify/dist/tlog/checkpoint.js");
const { verifyMerkleInclusion } = require("@sigstore/verify/dist/tlog/merkle.js");

// What stands before the 32 bytes of an Ed25519 key in DER (RFC 8410 §4).
const SPKI = Buffer.from("302a300506032b6570032100", "hex");

function number(value, bytes = 8) {
  const buffer = Buffer.alloc(8);
  buffer.writeBigInt64BE(BigInt(value));
  return buffer.subarray(8 - bytes);
}

function bytes(value) {
  return Buffer.concat([number(value.length, 4), value]);
}

const text = (value) => bytes(Buffer.from(value, "utf8"));
const optional = (value, form) =>
  value === null ? Buffer.from([0]) : Buffer.concat([Buffer.from([1]), form(value)]);

function microseconds(time) {
  const [, seconds, fraction] = /^(.*)\.(\d{6})Z$/.exec(time);
  return BigInt(Date.parse(`${seconds}Z`)) * 1000n + BigInt(fraction);
}

function leaf(workspace, event) {
  const [kind, id] = event.stream.split("/");
  return Buffer.concat([
    Buffer.from([1]),
    text(workspace),
    number(event.position),
    text(kind),
    Buffer.from(id.replaceAll("-", ""), "hex"),
    number(event.version),
    text(event.type),
    number(event.schema_version, 2),
    number(microseconds(event.time)),
    text(event.actor),
    optional(event.request, text),
    text(event.correlation),
    optional(event.causation, number),
    optional(event.rule, text),
    optional(event.key, number),
    bytes(Buffer.from(event.payload, "base64")),
  ]);
}

// A verifier key as the library wants it.
function log(key) {
  const [, name, id, encoded] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(key);
  const raw = Buffer.from(encoded, "base64").subarray(1);
  const publicKey = createPublicKey({ key: Buffer.concat([SPKI, raw]), format: "der", type: "spki" });
  return { logID: Buffer.from(id, "hex"), baseURL: name, publicKey, validFor: {} };
}

function attempt(check) {
  try {
    check();
    return true;
  } catch {
    return false;
  }
}

const input = JSON.parse(readFileSync(0, "utf8"));
const lines = input.export.trimEnd().split("\n").map((line) => JSON.parse(line));
const [head, events] = [lines[0], lines.slice(1, -1)];
const logs = input.keys.map(log);
const wrong = [];
const expect = (is, what) => is || wrong.push(what);

const entry = (proof) => ({ logIndex: "0", inclusionProof: { checkpoint: { envelope: head.checkpoint }, ...proof } });
const checkpoint = verifyCheckpoint(entry({}), logs);
expect(Number(checkpoint.logSize) === events.length, "the checkpoint is of another size");
const forged = { inclusionProof: { checkpoint: { envelope: head.checkpoint.replace("\n", "x\n") } } };
expect(!attempt(() => verifyCheckpoint(forged, logs)), "a checkpoint that was changed is believed");

for (const event of events) {
  const hashes = event.proof.map((hash) => Buffer.from(hash, "base64"));
  const proved = (event) =>
    attempt(() =>
      verifyMerkleInclusion(
        {
          canonicalizedBody: leaf(head.workspace, event),
          ...entry({ logIndex: String(event.position - 1), hashes, treeSize: String(checkpoint.logSize) }),
        },
        checkpoint,
      ),
    );
  expect(proved(event), `event ${event.position} is not proved`);
  expect(!proved({ ...event, actor: `${event.actor}x` }), `a change of event ${event.position} is not seen`);
}
console.log(JSON.stringify({ events: events.length, wrong }));

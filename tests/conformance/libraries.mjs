// What the npm libraries say about the shared tables of cases.
//
// `node libraries.mjs FOLDER TABLES` reads filters.json and patches.json from TABLES and writes one
// JSON object to standard output: for each library the list of its answers, in the table's order.
// FOLDER is where npm installed the libraries, which is not beside this file.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [folder, tables] = process.argv.slice(2);
const require = createRequire(join(folder, "package.json"));
const { filter, parse } = require("scim2-parse-filter");
const { patchBodyValidation, scimPatch } = require("scim-patch");

const table = (name) => JSON.parse(readFileSync(join(tables, name), "utf8"));

function attempt(answer) {
  try {
    return answer();
  } catch (error) {
    // Libraries differ in the classes of their errors; that they refuse is what counts.
    return { error: String(error.scimCode ?? error.message) };
  }
}

function filters({ documents, cases }) {
  return cases.map(({ filter: text, of = "User" }) =>
    attempt(() => {
      const matches = filter(parse(text));
      const found = documents.filter((one) => one.meta.resourceType === of && matches(one));
      return { matches: found.map((one) => one.id) };
    }),
  );
}

function patches({ cases }) {
  const schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"];
  return cases.map(({ before, operations, lenient = false }) =>
    attempt(() => {
      patchBodyValidation({ schemas, Operations: operations });
      const options = { mutateDocument: false, treatMissingAsAdd: lenient };
      return { after: scimPatch(before, operations, options) };
    }),
  );
}

const said = {
  "scim2-parse-filter": filters(table("filters.json")),
  "scim-patch": patches(table("patches.json")),
};
process.stdout.write(`${JSON.stringify(said)}\n`);

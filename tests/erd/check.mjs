// Checks the diagrams of a project with the programs that people open them with.
//
//   node check.mjs PROJECT CHROMIUM
//
// What a diagram has to show is read from the project's manifest.json, not from the tool's own diagram: `strata parse`
// wrote it below target/.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [project, chromium] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const { Parser } = require("@dbml/core");
const read = (name) => readFileSync(join(project, name), "utf8");

function fail(message) {
  console.error(`${project}: ${message}`);
  process.exitCode = 1;
}

function same(what, found, expected) {
  const [a, b] = [found, expected].map((list) => [...list].sort());
  const missing = b.filter((x) => !a.includes(x));
  const extra = a.filter((x) => !b.includes(x));
  if (missing.length || extra.length || a.length !== b.length) {
    fail(`${what}: missing ${JSON.stringify(missing)}, not expected ${JSON.stringify(extra)}`);
  }
}

// Tables and references as the manifest has them.
const manifest = JSON.parse(read("target/manifest.json"));
const nodes = { ...manifest.nodes, ...manifest.sources };
const stored = (n) =>
  ["model", "seed", "snapshot", "source"].includes(n.resource_type) && n.config.materialized !== "ephemeral";
const nameOf = (n) => n.alias ?? n.identifier;
const tables = Object.values(nodes).filter(stored);
const refs = new Set();
for (const test of Object.values(nodes)) {
  if (test.test_metadata?.name !== "relationships") continue;
  const parents = test.depends_on.nodes.map((id) => nodes[id]);
  const child = parents.find((n) => n.unique_id === test.attached_node) ?? parents.at(-1);
  const parent = parents.find((n) => n !== child) ?? child;
  if (!stored(child) || !stored(parent)) continue;
  refs.add(`${nameOf(child)}.${test.column_name} ${nameOf(parent)}.${test.test_metadata.kwargs.field}`);
}
for (const model of tables) {
  for (const c of (model.constraints ?? []).filter((c) => c.type === "foreign_key" && c.to)) {
    const parent = tables.find((n) => c.to.includes(`'${n.name}'`));
    refs.add(`${nameOf(model)}.${c.columns.join("+")} ${nameOf(parent)}.${c.to_columns.join("+")}`);
  }
}

// DBML, by the parser of dbdiagram.io.
const schemas = new Parser().parse(read("docs/erd.dbml"), "dbmlv2").export().schemas;
const dbmlTables = schemas.flatMap((s) => s.tables);
same("tables in DBML", dbmlTables.map((t) => t.name), tables.map(nameOf));
const end = (e) => `${e.tableName}.${e.fieldNames.join("+")}`;
const dbmlRefs = schemas.flatMap((s) => s.refs).map((r) => {
  // The end with many rows, or of two single ones the first, is the child.
  const [a, b] = r.endpoints;
  return a.relation === "1" && b.relation === "*" ? `${end(b)} ${end(a)}` : `${end(a)} ${end(b)}`;
});
same("references in DBML", dbmlRefs, [...refs]);
const columns = (list) => list.reduce((sum, t) => sum + t.fields.length, 0);
if (columns(dbmlTables) < tables.length) fail("the tables in DBML have no columns");
const grouped = schemas.flatMap((s) => s.tableGroups).flatMap((g) => g.tables);
same("tables in groups", grouped.map((t) => t.tableName), tables.map(nameOf));

// Mermaid, by its own package in a browser.
const folder = mkdtempSync(join(tmpdir(), "strata-erd-"));
try {
  const script = pathToFileURL(join(import.meta.dirname, "node_modules/mermaid/dist/mermaid.min.js"));
  const page = join(folder, "page.html");
  const text = JSON.stringify(read("docs/erd.mmd")).replaceAll("<", "\\u003c");
  writeFileSync(
    page,
    `<!doctype html><meta charset="utf-8"><body><script src="${script}"></script><script>
    mermaid.initialize({ startOnLoad: false, maxTextSize: 5e6, maxEdges: 5000 });
    mermaid.render("graph", ${text}).then(
      ({ svg }) => { document.body.innerHTML = svg; document.body.dataset.done = "yes"; },
      (error) => { document.body.dataset.error = error.message; },
    );
    </script>`,
  );
  const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"];
  flags.push("--disable-component-update", "--disable-sync", "--allow-file-access-from-files");
  flags.push("--virtual-time-budget=60000", `--user-data-dir=${join(folder, "profile")}`, "--dump-dom");
  const dom = execFileSync(chromium, [...flags, pathToFileURL(page).href], {
    encoding: "utf8", maxBuffer: 1 << 28, timeout: 120_000, stdio: ["ignore", "pipe", "ignore"],
  });
  const error = dom.match(/data-error="([^"]*)"/);
  if (error) fail(`Mermaid: ${error[1]}`);
  else if (!dom.includes('data-done="yes"')) fail("Mermaid did not finish");
  const drawn = new Set([...dom.matchAll(/id="[^"]*entity-([^"]+?)-\d+"/g)].map((m) => m[1]));
  if (!error && drawn.size !== tables.length) fail(`Mermaid drew ${drawn.size} of ${tables.length} tables`);
  const lines = [...dom.matchAll(/class="[^"]*relationshipLine/g)].length;
  if (!error && lines !== refs.size) fail(`Mermaid drew ${lines} of ${refs.size} references`);
  // The SVG is XML that a browser reads, and says what it shows.
  const svg = read("docs/erd.svg");
  const probe = join(folder, "svg.html");
  writeFileSync(
    probe,
    `<!doctype html><meta charset="utf-8"><body><script>
    const xml = new DOMParser().parseFromString(${JSON.stringify(svg).replaceAll("<", "\\u003c")}, "image/svg+xml");
    document.body.dataset.wrong = xml.querySelectorAll("parsererror").length;
    document.body.dataset.paths = xml.querySelectorAll("g > title").length;
    document.body.dataset.outside = xml.querySelectorAll("image, script, foreignObject, [href]").length;
    </script>`,
  );
  const parsed = execFileSync(chromium, [...flags, pathToFileURL(probe).href], {
    encoding: "utf8", maxBuffer: 1 << 28, timeout: 120_000, stdio: ["ignore", "pipe", "ignore"],
  });
  const number = (name) => Number(parsed.match(new RegExp(`data-${name}="(\\d+)"`))?.[1] ?? NaN);
  if (number("wrong") !== 0) fail("the SVG is no XML");
  if (number("outside") !== 0) fail("the SVG needs something else");
  if (!(number("paths") >= tables.length + refs.size)) fail(`the SVG has ${number("paths")} titles`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
if (!process.exitCode) {
  console.log(`${project}: ${tables.length} tables and ${refs.size} references in DBML, Mermaid and SVG`);
}

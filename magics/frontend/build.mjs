// Bundles every widget into ../stupiddb/widgets/static, or with --verify says whether what is
// committed there is what these sources give.
import { readFile, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "..", "stupiddb", "widgets", "static");
const widgets = ["catalog", "table"];

const { outputFiles } = await build({
  absWorkingDir: here,
  entryPoints: widgets.flatMap((name) => [
    { in: `src/${name}.ts`, out: name },
    { in: `src/styles/${name}.css`, out: name },
  ]),
  outdir: target,
  bundle: true,
  format: "esm",
  target: ["es2022"],
  charset: "utf8",
  minify: true,
  legalComments: "none",
  write: false,
});

if (process.argv.includes("--verify")) {
  const stale = [];
  for (const file of outputFiles) {
    const committed = await readFile(file.path).catch(() => null);
    if (committed === null || !committed.equals(Buffer.from(file.contents))) stale.push(file.path);
  }
  if (stale.length > 0) {
    console.error(`not what the sources give: ${stale.join(", ")}\nrun \`npm run build\` and commit the result`);
    process.exit(1);
  }
  console.log(`${outputFiles.length} bundles are what the sources give`);
} else {
  await mkdir(target, { recursive: true });
  for (const file of outputFiles) {
    await writeFile(file.path, file.contents);
    console.log(`${file.path.slice(target.length + 1)}  ${(file.contents.length / 1024).toFixed(1)} KB`);
  }
}

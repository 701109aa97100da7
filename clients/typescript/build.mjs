// Makes dist/: what is published, with the parts of ../../src/shared that it needs in it. Plain JavaScript, since Node 20 runs it too.
//   node build.mjs [--out DIRECTORY] [--no-types]
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const { values } = parseArgs({
	options: { out: { type: "string", default: join(here, "dist") }, "no-types": { type: "boolean", default: false } },
});
rmSync(values.out, { recursive: true, force: true });

// Apart, so that a browser's bundler never meets a module of Node's.
for (const [name, platform] of [
	["index", "neutral"],
	["node", "node"],
]) {
	await build({
		entryPoints: [join(here, "src", `${name}.ts`)],
		outfile: join(values.out, `${name}.js`),
		bundle: true,
		format: "esm",
		platform,
		target: "es2022",
		sourcemap: true,
	});
}
if (!values["no-types"]) {
	const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");
	const made = mkdtempSync(join(tmpdir(), "isobar-types-"));
	try {
		execFileSync(process.execPath, [tsc, "-p", join(here, "tsconfig.types.json"), "--outDir", made], {
			stdio: "inherit",
		});
		copyTypes(
			made,
			["index", "node"].map((name) => `clients/typescript/src/${name}.d.ts`),
		);
	} finally {
		rmSync(made, { recursive: true, force: true });
	}
}

/** Only the types that can be reached from the entries: others name packages that a user does not have. */
function copyTypes(made, entries) {
	const reached = [...entries];
	for (const file of reached) {
		const text = readFileSync(join(made, file), "utf8").replace(/(from "\.[^"]*)\.ts"/g, '$1.js"');
		for (const [, path] of text.matchAll(/from "(\.[^"]*)\.js"/g)) {
			const found = join(dirname(file), `${path}.d.ts`);
			if (!reached.includes(found)) reached.push(found);
		}
		const target = join(values.out, "types", file);
		mkdirSync(dirname(target), { recursive: true });
		writeFileSync(target, text);
	}
}

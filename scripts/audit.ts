import { parseArgs } from "node:util";
import { auditRun, type GetRun } from "./audit-run.ts";

/** `npm run audit -- --url URL --key KEY --run RUN`: checks the chain of a run's versions and makes those again whose parts are kept.
 *  One line a version; status 1 when one is wrong, 2 for wrong arguments. */
const { values } = parseArgs({
	options: { url: { type: "string" }, key: { type: "string" }, run: { type: "string" } },
});
const { url, key, run } = values;
if (!url || !key || !run) {
	console.error("usage: npm run audit -- --url URL --key KEY --run RUN");
	process.exit(2);
}

const get: GetRun = async (path, headers = {}) => {
	const response = await fetch(`${url.replace(/\/$/, "")}/v1/runs/${run}${path}`, {
		headers: { authorization: `Bearer ${key}`, ...headers },
	});
	const bytes = new Uint8Array(await response.arrayBuffer());
	if (response.ok) return bytes;
	if (response.status === 404 || response.status === 410) return null;
	throw new Error(`GET ${path} answered ${response.status}: ${new TextDecoder().decode(bytes).trim()}`);
};

let wrong = 0;
try {
	for await (const { version, digest, result, fault } of auditRun(get)) {
		console.log(`version ${version}  ${digest}  ${result.replaceAll("_", " ")}${fault ? `: ${fault}` : ""}`);
		if (result === "wrong") wrong++;
	}
} catch (error) {
	console.error(error instanceof Error ? error.message : error);
	wrong++;
}
process.exitCode = wrong === 0 ? 0 : 1;

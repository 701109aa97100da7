import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AdminClient } from "../../scripts/admin-client.ts";
import { auditRun, type GetRun, type VersionAudit } from "../../scripts/audit-run.ts";
import { PROJECT } from "../../scripts/bundle.ts";
import { startIsobar, type LocalIsobar } from "../../scripts/local.ts";
import { TestOperator } from "../support/federated-client.ts";

const ADMIN_TOKEN = "federated";
let isobar: LocalIsobar;
let operator: TestOperator;
let key = "";
beforeAll(async () => {
	isobar = await startIsobar({ secrets: { ADMIN_TOKEN }, onLog: () => {} });
	({ key } = await new AdminClient(isobar.url, ADMIN_TOKEN).createKey({ tenant: "federated" }));
	operator = new TestOperator(isobar.url, key, fetch);
});
afterAll(() => isobar.stop());

const getOf =
	(run: string): GetRun =>
	async (path, headers) => {
		const response = await operator.raw("GET", `/v1/runs/${run}${path}`, { ...(headers && { headers }) });
		return response.ok ? new Uint8Array(await response.arrayBuffer()) : (await response.body?.cancel(), null);
	};

async function audited(get: GetRun): Promise<VersionAudit[]> {
	const found: VersionAudit[] = [];
	for await (const version of auditRun(get)) found.push(version);
	return found;
}

const ROW = 2 ** 18;
const values = (seed: number): Float32Array =>
	Float32Array.from({ length: ROW + 100 }, (_, i) => Math.fround(Math.sin(i * seed)));

test("a refusal can be read by who sends eight megabytes into it", async () => {
	const parameters = 8 * ROW;
	const run = await operator.startRun({ flush: { when: "count", count: 1 } }, new Float32Array(parameters));
	const client = await operator.join(run);
	const body = new Uint8Array(4 * parameters);
	for (let i = 0; i < 5; i++) {
		const refused = await client.putPart("up_9_none", 0, body);
		expect(refused.status).toBe(404);
		await refused.body?.cancel();
		const unknown = await fetch(`${isobar.url}/v1/runs/${run}/weights`, { method: "PUT", body });
		expect(unknown.status).toBe(401);
		await unknown.body?.cancel();
	}
});

test("every version that is kept with its updates can be made again, to the bit, and the chain holds", async () => {
	const run = await operator.startRun(
		{
			flush: { when: "count", count: 2 },
			server_optimiser: { name: "adam" },
			shard_parameters: ROW,
			retention: { versions: 3, updates: true },
		},
		values(1) as Float32Array<ArrayBuffer>,
	);
	const clients = [await operator.join(run), await operator.join(run)];
	for (const version of [1, 2, 3]) {
		await clients[0]!.contribute(values(version + 2), { encoding: "int8", examples: 3 });
		await clients[1]!.contribute(values(version + 5), { encoding: "f16", examples: 2 });
		await operator.untilVersion(run, version);
	}
	await operator.call("POST", `/v1/runs/${run}/rollback`, { version: 2 });
	await operator.untilVersion(run, 4);
	const found = await audited(getOf(run));
	expect(found.map(({ result }) => result)).toEqual([
		"initial",
		"kept_no_more",
		"kept_no_more",
		"recomputed",
		"rolled_back",
	]);

	const forged: GetRun = async (path, headers) => {
		const bytes = await getOf(run)(path, headers);
		if (bytes && path.includes("/data?") && path.endsWith("row=1")) bytes[100]! ^= 1;
		return bytes;
	};
	const wrong = (await audited(forged)).find(({ version }) => version === 3);
	expect(wrong).toMatchObject({ result: "wrong" });

	const args = [join(PROJECT, "scripts", "audit.ts"), "--url", isobar.url, "--key", key, "--run", run];
	const { stdout } = await promisify(execFile)(process.execPath, args);
	expect(stdout).toMatch(/^version 3 .* recomputed$/m);
});

test("a version whose coefficients came of the updates' inner products is made again from their bits", async () => {
	const run = await operator.startRun(
		{
			flush: { when: "count", count: 5 },
			rule: { name: "multikrum", f: 1, m: 2 },
			shard_parameters: ROW,
			retention: { updates: true },
		},
		values(1) as Float32Array<ArrayBuffer>,
	);
	for (const seed of [1, 1.0001, 2, 3, 4]) {
		const client = await operator.join(run);
		await client.contribute(values(seed), { encoding: "f16" });
	}
	await operator.untilVersion(run, 1);
	expect((await audited(getOf(run))).map(({ result }) => result)).toEqual(["initial", "recomputed"]);
	const forged: GetRun = async (path, headers) => {
		const bytes = await getOf(run)(path, headers);
		if (!path.startsWith("/audit")) return bytes;
		// Other coefficients, consistently told: the link gives them away.
		const text = new TextDecoder()
			.decode(bytes!)
			.replaceAll("3fe0000000000000", "3fd0000000000000")
			.replaceAll(":0.5,", ":0.25,");
		return new TextEncoder().encode(text);
	};
	expect((await audited(forged)).at(-1)).toMatchObject({ result: "wrong" });
});

import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PROJECT } from "../../scripts/bundle.ts";
import { startIsobar, type LocalIsobar } from "../../scripts/local.ts";

const APPLIED = "SELECT name FROM d1_migrations ORDER BY id";

describe("startIsobar", () => {
	let isobar: LocalIsobar;
	let directory: string;

	beforeAll(async () => {
		directory = await mkdtemp(join(tmpdir(), "isobar-test-"));
		isobar = await startIsobar({ persist: directory, edges: 2, secrets: { ADMIN_TOKEN: "secret" } });
	});

	afterAll(async () => {
		await isobar.stop();
		await rm(directory, { recursive: true, force: true });
	});

	it("serves at its own URL and at each edge's", async () => {
		const urls = [isobar.url, ...isobar.edgeUrls];
		expect(new Set(urls).size).toBe(3);
		for (const url of urls) expect((await fetch(`${url}/healthz`)).status).toBe(200);
	});

	it("has applied every migration once, as wrangler would have", async () => {
		const files = (await readdir(join(PROJECT, "migrations"))).filter((name) => name.endsWith(".sql"));
		const { results } = await (await isobar.catalog()).prepare(APPLIED).all();
		expect(results).toEqual(files.sort().map((name) => ({ name })));
		expect(await isobar.migrate()).toEqual([]);
	});

	it("starts again on the state of a killed one", async () => {
		await (await isobar.catalog()).prepare("CREATE TABLE kept (x)").run();
		await isobar.kill();
		await expect(fetch(`${isobar.url}/healthz`)).rejects.toThrow();
		isobar = await startIsobar({ persist: directory });
		expect((await fetch(`${isobar.url}/healthz`)).status).toBe(200);
		expect((await (await isobar.catalog()).prepare("SELECT * FROM kept").all()).results).toEqual([]);
	});
});

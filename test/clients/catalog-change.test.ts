import { expect, it } from "vitest";
import type { FleetStatus } from "../../src/shared/scheduler/messages.ts";
import { startGateway } from "../support/gateway.ts";
import { catalogOf, poolOf } from "./helpers/catalog-of.ts";
import { chatAnswer, plain, startScriptedPool, usage } from "./helpers/scripted-pool.ts";
import { until } from "./helpers/until.ts";

const pool = await startScriptedPool();

it("a better replica is used by isolates that have not read the catalog since, and nothing is left reserved", async () => {
	const answer = plain(chatAnswer(usage(10, 5)));
	pool.on("slow", (response, request) => void setTimeout(() => void answer(response, request), 200));
	pool.on("quick", answer);
	const old = poolOf("old", "m", [pool.url("slow")], { max_concurrency: 2 });
	const gateway = await startGateway({ replicas: [], edges: 1, catalog: () => catalogOf([old]) });
	try {
		const other = gateway.isobar.edgeUrls[0]!;
		const send = (base: string): Promise<Response> =>
			fetch(`${base}/v1/chat/completions`, {
				method: "POST",
				body: JSON.stringify({ model: "m", max_tokens: 5, messages: [{ role: "user", content: "x" }] }),
				headers: { authorization: `Bearer ${gateway.key}` },
			});
		// So that the scheduler knows that it is slow.
		for (let i = 0; i < 12; i++) await (await send(gateway.isobar.url)).text();
		await (await send(other)).text();

		const better = poolOf("new", "m", [pool.url("quick")], {
			gpu: { type: "H100" },
			price: { per: "million_tokens", input: 0.001, output: 0.001 },
		});
		await gateway.admin.putCatalog(catalogOf([old, better]));
		// The isolate that made the change brings it to the scheduler; the other one's snapshot is two seconds old at most.
		expect((await send(gateway.isobar.url)).headers.get("x-isobar-replica")).toBe("new/a");
		for (let i = 0; i < 5; i++) {
			const response = await send(other);
			expect(response.status, await response.text()).toBe(200);
			expect(response.headers.get("x-isobar-replica")).toBe("new/a");
			expect(response.headers.get("x-isobar-attempts")).toBe("1");
		}
		await until("nothing is in flight", async () => {
			const fleet = await fetch(`${gateway.isobar.url}/admin/fleet`, {
				headers: { authorization: "Bearer test-admin-token" },
			});
			const { models } = (await fleet.json()) as { models: Record<string, FleetStatus> };
			return models["m"]!.in_flight === 0;
		});
	} finally {
		await gateway.stop();
	}
});

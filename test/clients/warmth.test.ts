import { expect, it } from "vitest";
import { catalogOf, poolOf, urlsOf } from "./helpers/catalog-of.ts";
import { startTestGateway } from "./helpers/test-gateway.ts";
import { until } from "./helpers/until.ts";

/** Long against a test's other waits, short against its time-out. */
const COLD_SECONDS = 2;

const gateway = await startTestGateway({
	replicas: [
		// A thousandth of an engine's times: only the start is felt.
		{
			name: "zero/a",
			model: "m",
			speed: 1_000,
			startCold: true,
			behaviour: { coldStartSeconds: COLD_SECONDS * 1_000 },
		},
		{ name: "warm/a", model: "m", speed: 1_000 },
	],
	catalog: (urls) =>
		catalogOf([
			poolOf("zero", "m", urlsOf(urls, "zero"), {
				engine: "vllm",
				price: { per: "gpu_second", usd: 0.0001 },
				scale_to_zero: { kind: "plain", idle_seconds: 600, cold_seconds: COLD_SECONDS },
			}),
			poolOf("warm", "m", urlsOf(urls, "warm"), { price: { per: "million_tokens", input: 20, output: 20 } }),
		]),
});

const line = async (response: Response, replica: string) => {
	const { decision } = await gateway.record(response);
	return decision!.find((each) => each.replica === replica)!;
};
const zero = async () => (await gateway.fleet("m")).replicas.find(({ replica }) => replica === "zero/a")!;

it("a request meets a cold pool knowingly, or not at all", async () => {
	// Not at all: another pool is there, and a start would cost more.
	const spilled = await gateway.chat("m");
	expect(spilled.headers.get("x-isobar-replica")).toBe("warm/a");
	const asCold = await line(spilled, "zero/a");
	expect(asCold).toMatchObject({ p_cold: 0.95, terms: { regret: 0 } });
	if (!("terms" in asCold)) throw new Error("zero/a was no candidate");
	// The start and ten minutes of an idle GPU.
	expect(asCold.terms.start).toBeCloseTo(0.95 * 0.0001 * (asCold.cold_seconds! + 600), 9);
	expect((await zero()).warmth).toMatchObject({ state: "cold", p_cold: 0.95, source: null });

	// Knowingly: there is no other, and the answer is waited for.
	const before = await zero();
	const only = gateway.chat("m", { isobar: { regions: ["zero"] }, stream: true });
	await until("it is waking", async () => (await zero()).warmth?.state === "waking");
	// Who comes meanwhile counts what is left of the start, and no second one.
	const meanwhile = await gateway.chat("m");
	expect(meanwhile.headers.get("x-isobar-replica")).toBe("warm/a");
	expect(await line(meanwhile, "zero/a")).toMatchObject({ p_cold: 1, terms: { start: 0 } });
	const met = await only;
	await met.text();
	const record = await gateway.record(met);
	expect(record.ttft_seconds).toBeGreaterThan(COLD_SECONDS);
	expect(record.expected_ttft_seconds).toBeGreaterThan(0.9 * COLD_SECONDS);
	// Its bill has the start as a line of its own, and so has the usage.
	const startNano = COLD_SECONDS * 0.0001 * 1e9;
	expect(record.start_nano_usd).toBeGreaterThan(0.8 * startNano);
	expect(record.start_nano_usd).toBeLessThanOrEqual(record.cost_nano_usd);
	const { data } = (await (await gateway.get("/usage?pool=zero")).json()) as {
		data: { start_usd: number; cost_usd: number }[];
	};
	expect(data).toMatchObject([{ start_usd: record.start_nano_usd / 1e9, cost_usd: record.cost_nano_usd / 1e9 }]);

	// Its answer says that it is up; its speed is as it was, and the start was learned.
	const after = await until("it is warm", async () => {
		const now = await zero();
		return now.warmth?.state === "warm" && now;
	});
	expect(after.warmth).toMatchObject({ p_cold: 0, source: "ttft" });
	expect(after.overhead_seconds).toBeCloseTo(before.overhead_seconds, 3);
	expect(gateway.simulator.replica("zero/a").state().starts).toBe(1);

	const warm = await gateway.chat("m");
	expect((await gateway.record(warm)).start_nano_usd).toBe(0);
	expect(warm.headers.get("x-isobar-replica")).toBe("zero/a");
	expect(await line(warm, "zero/a")).toMatchObject({ p_cold: 0, terms: { start: 0, regret: 0 } });
});

import { expect, test } from "vitest";
import { fallbackRank, hash32 } from "../../../src/shared/admission/fallback.ts";
import { MIXED, modelOf, request } from "../scheduler/support.ts";

const calm = { inFlight: () => 0, isSuspect: () => false };
const model = modelOf(MIXED);

test("equal prompts meet at one replica, different ones spread by capacity", () => {
	expect(fallbackRank(model, request(), hash32("same"), calm)).toEqual(
		fallbackRank(model, request(), hash32("same"), calm),
	);
	const counts = new Map<string, number>();
	for (let i = 0; i < 4_000; i++) {
		const [first] = fallbackRank(model, request(), hash32(`prompt ${i}`), calm);
		counts.set(first!.replica, (counts.get(first!.replica) ?? 0) + 1);
	}
	// Of 20 places in all the API has 8 and each other replica 4.
	expect(counts.get("api/a")! / 4_000).toBeCloseTo(0.4, 1);
	for (const replica of ["h100/a", "h100/b", "l4/a"]) expect(counts.get(replica)! / 4_000).toBeCloseTo(0.2, 1);
});

test("only a removed replica's prompts move", () => {
	const without = modelOf({ ...MIXED, pools: MIXED.pools.filter((pool) => pool.id !== "l4") });
	for (let i = 0; i < 500; i++) {
		const [before] = fallbackRank(model, request(), hash32(`p${i}`), calm);
		const [after] = fallbackRank(without, request(), hash32(`p${i}`), calm);
		if (before!.replica !== "l4/a") expect(after!.replica).toBe(before!.replica);
	}
});

test("a prompt that everybody sends spreads once its replica has more than its share", () => {
	const inFlight = new Map<string, number>();
	const view = { inFlight: (replica: string) => inFlight.get(replica) ?? 0, isSuspect: () => false };
	for (let i = 0; i < 16; i++) {
		const [first] = fallbackRank(model, request(), hash32("popular"), view);
		inFlight.set(first!.replica, view.inFlight(first!.replica) + 1);
	}
	const places = new Map(model.replicas.map((replica) => [replica.name, replica.maxConcurrency]));
	expect(inFlight.size).toBeGreaterThan(1);
	for (const [replica, count] of inFlight)
		expect(count).toBeLessThanOrEqual(Math.max(4, Math.ceil((1.25 * 16 * places.get(replica)!) / 20)));
});

test("the rules that the catalog can judge hold, and full or suspect replicas give way", () => {
	expect(fallbackRank(model, request({ needs: ["chat", "tools"] }), 1, calm).map((r) => r.pool)).not.toContain("api");
	expect(fallbackRank(model, request({}, { regions: ["eu"] }), 1, calm).every((r) => r.pool === "h100")).toBe(true);
	expect(fallbackRank(model, request({ promptBytes: 100_000 }), 1, calm).map((r) => r.pool)).not.toContain("api");
	const full = {
		inFlight: (replica: string) => (replica === "h100/a" ? 4 : 0),
		isSuspect: (replica: string) => replica === "h100/b",
	};
	const ranked = fallbackRank(model, request({}, { regions: ["eu"] }), 1, full);
	expect(ranked.map((r) => r.replica)).toEqual(["h100/b"]);
});

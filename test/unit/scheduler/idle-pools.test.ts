import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { CatalogInput } from "../../../src/shared/catalog/schema.ts";
import type { AssignRequest } from "../../../src/shared/scheduler/messages.ts";
import { ended, mail, modelOf, outcomeOf, request, rig, T0 } from "./support.ts";

// No request is kept waiting, or turned away, while a replica that it may use has room.

const PLACES = { "text/a": 4, "vision/a": 1 };

/** A pool that takes text alone, and a small one that takes both. */
const TWO: CatalogInput = {
	models: [{ id: "m", context_length: 32_000, capabilities: ["chat", "vision"], parameters_billion: 8 }],
	pools: [
		{ id: "text", capabilities: ["chat" as const], max_concurrency: PLACES["text/a"] },
		{ id: "vision", capabilities: ["chat" as const, "vision" as const], max_concurrency: PLACES["vision/a"] },
	].map((pool) => ({
		...pool,
		model: "m",
		engine: "vllm" as const,
		gpu: { type: "H100" },
		place: { provider: "p", region: pool.id, round_trip_ms: 1 },
		price: { per: "gpu_hour" as const, usd: 2 },
		replicas: [{ id: "a", url: `http://${pool.id}.test` }],
	})),
};

const vision = (change: Partial<AssignRequest> = {}): AssignRequest =>
	request({ needs: ["chat", "vision"], tenant: "v", ...change }, { waitingMax: 600 });

/** A scheduler with a vision request running and so many waiting, each of a tenant of its own. */
function blocked(count: number) {
	const { core, turns } = rig(TWO);
	const running = vision();
	core.assign(running, T0);
	for (let n = 0; n < count; n++) expect(outcomeOf(core.assign(vision({ tenant: `v${n}` }), T0))).toBe("queued");
	return { core, turns, running };
}

describe("what waits for one pool", () => {
	test("does not hold up its own tenant at another", () => {
		const { core } = blocked(1);
		expect(outcomeOf(core.assign(request({ tenant: "v0" }), T0 + 1))).toBe("text/a");
	});

	test("does not hold up others at another, however many wait", () => {
		const { core } = blocked(40);
		for (let n = 0; n < PLACES["text/a"]; n++) {
			expect(outcomeOf(core.assign(request({ tenant: `fresh${n}` }), T0 + 1))).toBe("text/a");
		}
	});

	test("does not turn away who cannot wait", () => {
		const { core } = blocked(40);
		expect(outcomeOf(core.assign(request({}, { waitingMax: 0.01 }), T0 + 1))).toBe("text/a");
	});

	test("does not make others' waits look long", () => {
		const { core } = blocked(40);
		for (let n = 0; n < PLACES["text/a"]; n++) core.assign(request(), T0 + 60);
		// Nothing has left the room for a minute; but four places of 5 s each are 1.25 s apart.
		const reply = core.assign(request({}, { waitingMax: 10 }), T0 + 60);
		expect(reply).toMatchObject({ kind: "queued", position: 1 });
		expect(reply.kind === "queued" && reply.expectedWait).toBeCloseTo(1.25, 6);
	});

	test("has what is free before all who come later", () => {
		const { core, turns, running } = blocked(2);
		core.mail(mail({ ended: [ended(running.reservation)] }), T0 + 1);
		expect(turns.map(([, reply]) => outcomeOf(reply))).toEqual(["vision/a"]);
		expect(outcomeOf(core.assign(vision(), T0 + 1))).toBe("queued");
	});
});

test("one that a free replica does not suit hides none behind it, and is tried again", () => {
	const { core, turns } = rig({ ...TWO, pools: [{ ...TWO.pools[0]!, price: { per: "gpu_second", usd: 0.01 } }] });
	const running = Array.from({ length: PLACES["text/a"] }, () => request());
	for (const asked of running) core.assign(asked, T0);
	// Beside three others it costs a quarter of the GPU's time; alone, all of it.
	const first = core.assign(request(), T0);
	expect(first.kind).toBe("queued");
	const dear = Array.from({ length: 20 }, () => request({}, { priceCeiling: 1e-6, waitingMax: 600 }));
	for (const asked of dear) expect(outcomeOf(core.assign(asked, T0))).toBe("queued");
	const last = request({}, { waitingMax: 600 });
	expect(outcomeOf(core.assign(last, T0))).toBe("queued");
	core.mail(mail({ ended: running.slice(0, 2).map((r) => ended(r.reservation)) }), T0 + 1);
	expect(turns.map(([id]) => id)).toContain(last.reservation);
	expect(turns).toHaveLength(2);
	expect(core.waiting).toBe(20);
});

test("who waits can use a pool that the catalog gets meanwhile", () => {
	const { core, turns } = blocked(2);
	const more = structuredClone(TWO);
	more.pools.unshift({
		...structuredClone(TWO.pools[1]!),
		id: "more",
		replicas: [{ id: "a", url: "http://more.test" }],
	});
	core.configure(modelOf(more), T0 + 1);
	core.tick(T0 + 1);
	expect(turns.map(([, reply]) => outcomeOf(reply))).toEqual(["more/a"]);
	expect(outcomeOf(core.assign(request(), T0 + 1))).toBe("text/a");
});

test("a request that waits and is asked for again is placed once", () => {
	const { core, running } = blocked(0);
	const asked = vision();
	expect(outcomeOf(core.assign(asked, T0))).toBe("queued");
	core.mail(mail({ ended: [ended(running.reservation)] }), T0 + 1);
	expect(outcomeOf(core.assign(asked, T0 + 1))).toBe("vision/a");
	expect([core.waiting, core.inFlight]).toEqual([0, 1]);
});

test("whatever comes and ends, nobody waits for a replica that has room", () => {
	const step = fc.record({
		kind: fc.constantFrom("text", "text", "vision", "end", "end", "leave", "change"),
		who: fc.nat(60),
		waitingMax: fc.constantFrom(0.5, 5, 600),
		after: fc.double({ min: 0, max: 3, noNaN: true }),
	});
	fc.assert(
		fc.property(fc.array(step, { minLength: 20, maxLength: 120, size: "max" }), (steps) => {
			const { core, turns } = rig(TWO, { waitingRoomMax: 20, waitingRoomTenantMax: 12 });
			const waiting = new Map<string, "text" | "vision">();
			const running: string[] = [];
			let now = T0;
			let seen = 0;
			const look = (): void => {
				for (const [id, reply] of turns.slice(seen)) {
					waiting.delete(id);
					if (reply.kind === "assigned") running.push(id);
				}
				seen = turns.length;
			};
			const hasRoom = (replica: keyof typeof PLACES): boolean => core.load(replica, now).inFlight < PLACES[replica];
			for (const { kind, who, waitingMax, after } of steps) {
				now += after;
				core.tick(now);
				look();
				if (kind === "text" || kind === "vision") {
					const free = hasRoom("vision/a") || (kind === "text" && hasRoom("text/a"));
					const needs = kind === "text" ? (["chat"] as const) : (["chat", "vision"] as const);
					const asked = request({ tenant: `t${who % 4}`, needs }, { waitingMax });
					const reply = core.assign(asked, now);
					expect(reply.kind === "assigned").toBe(free);
					if (reply.kind === "assigned") running.push(asked.reservation);
					if (reply.kind === "queued") waiting.set(asked.reservation, kind);
				} else if (kind === "end" && running.length > 0) {
					const [id] = running.splice(who % running.length, 1);
					core.mail(mail({ ended: [ended(id!)] }), now);
				} else if (kind === "leave" && waiting.size > 0) {
					const id = [...waiting.keys()][who % waiting.size]!;
					waiting.delete(id);
					core.leave(id, now);
				} else if (kind === "change") core.configure(modelOf(TWO), now);
				look();
				expect(core.waiting).toBe(waiting.size);
				if (hasRoom("vision/a")) expect(waiting.size).toBe(0);
				if (hasRoom("text/a")) expect([...waiting.values()]).not.toContain("text");
			}
		}),
		{ numRuns: 200 },
	);
});

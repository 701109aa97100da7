import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { PeerReplica } from "../../../src/shared/scheduler/peers.ts";
import { PEER_SECONDS, Peers, plusLoad } from "../../../src/shared/scheduler/peers.ts";
import { explain } from "../../../src/shared/objective/explain.ts";
import type { AssignReply } from "../../../src/shared/scheduler/messages.ts";
import { fleetStatus, mergedStatus } from "../../../src/shared/scheduler/status.ts";
import { ended, mail, MIXED, modelOf, outcomeOf, request, rig, T0, type Rig } from "./support.ts";

const load = (inFlight: number, pendingTokens = 0) => ({
	inFlight,
	pendingTokens,
	decoding: 0,
	heldTokens: 0,
	residentTokens: 0,
	outputTokens: 0,
});
const told = (replica: string, inFlight: number): PeerReplica => ({ ...load(inFlight), replica, open: true });

describe("what peers have told", () => {
	test("adds up over those who spoke in the last seconds, the last word of each", () => {
		const word = fc.record({
			from: fc.constantFrom("x", "y", "z"),
			inFlight: fc.nat(9),
			wait: fc.integer({ min: 0, max: 4 }),
		});
		fc.assert(
			fc.property(fc.array(word, { maxLength: 20 }), (words) => {
				const peers = new Peers();
				const naive = new Map<string, { at: number; inFlight: number }>();
				let now = T0;
				for (const { from, inFlight, wait } of words) {
					now += wait;
					peers.hear({ from, replicas: inFlight > 0 ? [told("r", inFlight)] : [] }, now);
					naive.set(from, { at: now, inFlight });
					const fresh = [...naive.values()].filter(({ at }) => now - at < PEER_SECONDS);
					const expected = fresh.reduce((sum, each) => sum + each.inFlight, 0);
					expect(peers.load("r", now)?.inFlight ?? 0).toBe(expected);
				}
				expect(peers.load("r", now + PEER_SECONDS)).toBeUndefined();
				expect(peers.isSilent(now + PEER_SECONDS)).toBe(true);
			}),
		);
	});

	test("is added to a load of one's own without changing it", () => {
		const own = load(2, 100);
		expect(plusLoad(own, undefined)).toBe(own);
		expect(plusLoad(own, load(3, 50))).toMatchObject({ inFlight: 5, pendingTokens: 150 });
		expect(own).toEqual(load(2, 100));
	});
});

/** Tells `to` what `from` has in flight. */
function tell(from: Rig, to: Rig, kind: "sibling" | "abroad", now: number): void {
	to.core.hear(from.core.summary(kind === "sibling" ? "m/global/1" : "m/far/0", kind, now), kind, now);
}

describe("shards of one scheduler", () => {
	test("send requests where the others' load is not, and keep a replica's limit together", () => {
		const [a, b] = [rig(MIXED), rig(MIXED)];
		const first = outcomeOf(a.core.assign(request(), T0));
		for (let i = 0; i < 3; i++) a.core.assign(request(), T0);
		const blind = outcomeOf(b.core.assign(request(), T0));
		expect(blind).toBe(first);
		tell(a, b, "sibling", T0);
		const total = b.core.load(first, T0).inFlight;
		expect(total).toBe(a.core.ownLoad(first, T0).inFlight + b.core.ownLoad(first, T0).inFlight);
		expect(outcomeOf(b.core.assign(request(), T0))).not.toBe(first);
		// What they told is forgotten when they fall silent.
		expect(b.core.load(first, T0 + PEER_SECONDS).inFlight).toBe(b.core.ownLoad(first, T0 + PEER_SECONDS).inFlight);
	});
});

describe("what a prefill costs those behind it", () => {
	const harmOf = (reply: AssignReply, replica: string): number | undefined => {
		if (reply.kind !== "assigned") throw new Error(reply.kind);
		const found = explain(reply.explanation).find((each) => each.replica === replica);
		return found && "terms" in found ? found.terms.harm : undefined;
	};
	const l4 = { ...MIXED, pools: MIXED.pools.filter(({ id }) => id === "l4") };

	test("is counted by how busy all shards keep a replica, though it is idle now and they are silent", () => {
		const shards = Array.from({ length: 4 }, () => rig(l4));
		const whole = rig(l4);
		for (let i = 0; i < 80; i++) {
			const now = T0 + i;
			const asked = request();
			for (const { core } of [shards[i % 4]!, whole]) {
				core.assign(asked, now);
				core.mail(mail({ ended: [ended(asked.reservation, { ttft: null, outcome: "client_gone" })] }), now + 0.5);
			}
			shards.forEach(({ core }, from) => {
				for (const other of shards) {
					const summary = core.summary(`m/global/${from}`, "sibling", now + 0.5);
					if (other.core !== core) other.core.hear(summary, "sibling", now + 0.5);
				}
			});
		}
		const later = T0 + 80 + 2 * PEER_SECONDS;
		const expected = harmOf(whole.core.assign(request(), later), "l4/a")!;
		expect(expected).toBeGreaterThan(2 * harmOf(rig(l4).core.assign(request(), later), "l4/a")!);
		for (const { core } of shards) {
			expect(harmOf(core.assign(request(), later), "l4/a")! / expected).toBeCloseTo(1, 2);
		}
	});
});

describe("the seconds of a GPU that several shards use", () => {
	test("are billed once, and add up to what it was busy", () => {
		const l4 = { ...MIXED, pools: MIXED.pools.filter(({ id }) => id === "l4") };
		const shards = Array.from({ length: 3 }, () => rig(l4));
		const asked = shards.map(() => request());
		shards.forEach(({ core }, i) => core.assign(asked[i]!, T0));
		for (let second = 0; second <= 100; second++) {
			const now = T0 + second;
			for (const [i, { core }] of shards.entries()) {
				for (const other of shards) {
					if (other.core !== core) other.core.hear(core.summary(`m/global/${i}`, "sibling", now), "sibling", now);
				}
			}
			for (const [i, { core }] of shards.entries()) {
				const { reservation } = asked[i]!;
				const renewal = { reservation, replica: "l4/a", tenant: "t", key: "k", promptTokens: 1_000, outputTokens: 500 };
				core.mail(mail({ renewals: [{ ...renewal, started: true, age: second }] }), now);
			}
		}
		const bills = shards.flatMap(({ core }, i) => core.mail(mail({ ended: [ended(asked[i]!.reservation)] }), T0 + 100));
		const seconds = bills.reduce((sum, bill) => sum + bill.seconds, 0);
		expect(bills).toHaveLength(3);
		expect(seconds).toBeCloseTo(100, 6);
		const status = mergedStatus(shards.map(({ core }) => fleetStatus(core, T0 + 100)));
		expect(status.replicas[0]).toMatchObject({ replica: "l4/a", busy_seconds: expect.closeTo(100, 6) });
		expect(status.replicas[0]!.busy_usd).toBeCloseTo(100 * 0.0002, 9);
	});
});

describe("region groups", () => {
	const GROUPED = {
		...MIXED,
		region_groups: [{ id: "near", regions: ["eu"] }],
	};
	const inGroup = (group: string): Rig => {
		const it = rig(GROUPED);
		it.core.configure(modelOf(GROUPED), T0, group);
		return it;
	};
	const [regions] = [[...new Set(MIXED.pools.map(({ place }) => place.region))]];

	test("each have their own pools", () => {
		expect(regions.length).toBeGreaterThan(1);
		const [near, far] = [inGroup("near"), inGroup("global")];
		const names = (it: Rig) => it.core.fleet.replicas.map(({ entry }) => entry.pool.pool.place.region);
		expect(new Set(names(near))).toEqual(new Set(["eu"]));
		expect(names(far)).not.toContain("eu");
		expect(names(near).length + names(far).length).toBe(modelOf(GROUPED).replicas.length);
	});

	test("send a request on when another is better by what it published, once, and only while that is fresh", () => {
		const [near, far] = [inGroup("near"), inGroup("global")];
		// Fills the own pools.
		const held = [];
		for (;;) {
			const asked = request();
			const outcome = outcomeOf(near.core.assign(asked, T0));
			if (outcome === "queued") break;
			held.push(asked.reservation);
		}
		tell(far, near, "abroad", T0);
		expect(outcomeOf(near.core.assign(request(), T0 + 1))).toBe("elsewhere: global");
		// Says whether there is any use in coming back.
		expect(near.core.assign(request(), T0 + 1)).toMatchObject({ kind: "elsewhere", only: false });
		expect(near.core.assign(request({}, { regions: ["us"] }), T0 + 1)).toMatchObject({ kind: "elsewhere", only: true });
		expect(outcomeOf(near.core.assign(request({ referred: true }), T0 + 1))).toBe("queued");
		expect(outcomeOf(near.core.assign(request(), T0 + 1 + PEER_SECONDS))).toBe("queued");
		expect(outcomeOf(far.core.assign(request({ referred: true }), T0 + 1))).toMatch(/\//);
	});

	test("keep a request that is better off at home, and one that may not leave its region", () => {
		const [near, far] = [inGroup("near"), inGroup("global")];
		tell(far, near, "abroad", T0);
		expect(outcomeOf(near.core.assign(request({}, { regions: ["eu"] }), T0))).toMatch(/\//);
		for (let i = 0; i < 30; i++) near.core.assign(request({}, { regions: ["eu"] }), T0);
		expect(outcomeOf(near.core.assign(request({}, { regions: ["eu"] }), T0))).toBe("queued");
		// A pool abroad that is put aside or full is no help.
		const full = far.core.summary("m/global/0", "abroad", T0);
		near.core.hear({ ...full, replicas: full.replicas.map((each) => ({ ...each, open: false })) }, "abroad", T0 + 1);
		expect(outcomeOf(near.core.assign(request(), T0 + 1))).toBe("queued");
	});

	test("learn of the others' speed from what they publish", () => {
		const american = { ...MIXED, region_groups: [{ id: "america", regions: ["us"] }] };
		const inPart = (group: string): Rig => {
			const it = rig(american);
			it.core.configure(modelOf(american), T0, group);
			return it;
		};
		const [near, far] = [inPart("america"), inPart("global")];
		const hurried = (more = {}) =>
			request({ promptBytes: 28_000, promptTokensMax: 28_000, ...more }, { valueOfSecond: 1 });
		tell(far, near, "abroad", T0);
		// H100s that are a hop away are faster with a long prompt than an L4 that is near.
		expect(outcomeOf(near.core.assign(hurried({ needs: ["chat", "tools"] }), T0))).toBe("elsewhere: global");
		for (let i = 0; i < 30; i++) {
			const asked = hurried({ referred: true });
			far.core.assign(asked, T0 + i);
			far.core.mail(
				mail({ ended: [ended(asked.reservation, { ttft: 60, seconds: 120, promptTokens: 7_000 })] }),
				T0 + i,
			);
		}
		tell(far, near, "abroad", T0 + 30);
		expect(outcomeOf(near.core.assign(hurried({ needs: ["chat", "tools"] }), T0 + 30))).toBe("l4/a");
	});
});

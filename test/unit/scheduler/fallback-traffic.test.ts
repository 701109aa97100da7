import { describe, expect, test } from "vitest";
import type { Renewal } from "../../../src/shared/scheduler/messages.ts";
import { fleetStatus } from "../../../src/shared/scheduler/status.ts";
import { ended, mail, MIXED, outcomeOf, request, rig, T0, type Rig } from "./support.ts";

/** Two replicas paid by the second, with two places each. */
const SERVERLESS = {
	...MIXED,
	pools: ["near", "far"].map((id) => ({
		...MIXED.pools[1]!,
		id,
		max_concurrency: 2,
		place: { provider: "x", region: id, round_trip_ms: id === "near" ? 1 : 50 },
	})),
};

function renewal(reservation: string, replica: string, age = 15): Renewal {
	return { reservation, replica, tenant: "t", key: "k", promptTokens: 900, outputTokens: 100, started: true, age };
}

function replicaOf({ core }: Rig, name: string, now: number) {
	return fleetStatus(core, now).replicas.find(({ replica }) => replica === name)!;
}

describe("a request that did not wait for the scheduler's answer and ran where the fallback sent it", () => {
	test("counts where it runs, with its first renewal at the latest, and no longer where the scheduler had put it", () => {
		const it = rig(SERVERLESS);
		const asked = request();
		expect(outcomeOf(it.core.assign(asked, T0))).toBe("near/a");
		it.core.mail(mail({ renewals: [renewal(asked.reservation, "far/a")] }), T0 + 15);
		expect(replicaOf(it, "near/a", T0 + 15).in_flight).toBe(0);
		expect(replicaOf(it, "far/a", T0 + 15).in_flight).toBe(1);
		it.core.mail(mail({ ended: [ended(asked.reservation, { replica: "far/a" })] }), T0 + 20);
		expect(it.core.inFlight).toBe(0);
		// Nobody pays for busy time of a replica that has nothing to do.
		const busy = ["near/a", "far/a"].map((name) => replicaOf(it, name, T0 + 20).busy_seconds);
		expect(["near/a", "far/a"].map((name) => replicaOf(it, name, T0 + 99).busy_seconds)).toEqual(busy);
	});

	test("is learned from and held against nobody but the replica that it ran on", () => {
		const it = rig(SERVERLESS);
		const before = replicaOf(it, "near/a", T0).overhead_seconds;
		for (let i = 0; i < 20; i++) {
			const asked = request();
			it.core.assign(asked, T0 + i);
			const slow = ended(asked.reservation, { replica: "far/a", ttft: 30, seconds: 40 });
			it.core.mail(mail({ ended: [slow] }), T0 + i + 0.5);
		}
		expect(replicaOf(it, "near/a", T0 + 20).overhead_seconds).toBeCloseTo(before, 6);
		const asked = request();
		it.core.assign(asked, T0 + 30);
		const failed = ended(asked.reservation, { replica: "far/a", outcome: "failed", failure: "connect", ttft: null });
		it.core.mail(mail({ ended: [failed] }), T0 + 31);
		expect(replicaOf(it, "near/a", T0 + 31).health).toBe("healthy");
		expect(replicaOf(it, "far/a", T0 + 31).health).toBe("aside");
	});

	test("tells of a failure even when the scheduler never heard of the request", () => {
		const it = rig(SERVERLESS);
		const failed = ended("stranger", { replica: "near/a", outcome: "failed", failure: "connect", ttft: null });
		expect(it.core.mail(mail({ ended: [failed] }), T0)).toEqual([]);
		expect(replicaOf(it, "near/a", T0).health).toBe("aside");
	});

	test("stands in the waiting room no more when it has ended", () => {
		const it = rig(SERVERLESS);
		const taken = Array.from({ length: 4 }, () => request());
		for (const each of taken) it.core.assign(each, T0);
		const late = request();
		expect(outcomeOf(it.core.assign(late, T0))).toBe("queued");
		it.core.mail(mail({ ended: [ended(late.reservation, { replica: "far/a" })] }), T0 + 1);
		expect(it.core.waiting).toBe(0);
		it.core.mail(mail({ ended: taken.map(({ reservation }) => ended(reservation)) }), T0 + 2);
		expect(it.turns).toEqual([]);
		expect(it.core.inFlight).toBe(0);
		expect(replicaOf(it, "near/a", T0 + 9).busy_seconds).toBe(replicaOf(it, "near/a", T0 + 2).busy_seconds);
	});

	test("holds nothing when its end came before the question", () => {
		const it = rig(SERVERLESS);
		const asked = request();
		it.core.mail(mail({ ended: [ended(asked.reservation, { replica: "far/a" })] }), T0);
		it.core.assign(asked, T0 + 1);
		expect(it.core.inFlight).toBe(0);
		expect(replicaOf(it, "near/a", T0 + 60).busy_seconds).toBe(0);
	});
});

test("a reservation that had ended for want of renewals comes back with one that is late", () => {
	const it = rig(SERVERLESS);
	const asked = request();
	it.core.assign(asked, T0);
	it.core.tick(T0 + 46);
	expect(it.core.inFlight).toBe(0);
	it.core.mail(mail({ renewals: [renewal(asked.reservation, "near/a", 60)] }), T0 + 60);
	expect(replicaOf(it, "near/a", T0 + 60).in_flight).toBe(1);
	it.core.mail(mail({ ended: [ended(asked.reservation)] }), T0 + 61);
	it.core.mail(mail({ renewals: [renewal(asked.reservation, "near/a", 62)] }), T0 + 62);
	expect(it.core.inFlight).toBe(0);
});

test("a request that left is not brought back by what it had sent before", () => {
	const it = rig(SERVERLESS);
	const asked = request();
	it.core.assign(asked, T0);
	it.core.leave(asked.reservation, T0 + 1);
	it.core.mail(mail({ renewals: [renewal(asked.reservation, "near/a", 2)] }), T0 + 2);
	expect(it.core.inFlight).toBe(0);
});

import { describe, expect, test } from "vitest";
import { Neighbourhood } from "../../../functions/route/neighbourhood.ts";

function rig() {
	let time = 0;
	const replicas = new Neighbourhood(() => time, 0.1);
	const answer = (failure: Parameters<Neighbourhood["exit"]>[1] = null) => {
		replicas.enter("p/a");
		replicas.exit("p/a", failure);
	};
	return { replicas, answer, advance: (seconds: number) => (time += seconds) };
}

describe("a lost connection", () => {
	test("may have been stale only where an earlier answer has left it", () => {
		const { replicas, answer } = rig();
		expect(replicas.mayHaveBeenStale("p/a")).toBe(false);
		answer();
		answer();
		expect([1, 2, 3].map(() => replicas.mayHaveBeenStale("p/a"))).toEqual([true, true, false]);
	});

	test("was not, where the next one was lost too, until the replica has answered again", () => {
		const { replicas, answer } = rig();
		for (let i = 0; i < 50; i++) answer();
		expect(replicas.mayHaveBeenStale("p/a")).toBe(true);
		answer("connect");
		expect(replicas.mayHaveBeenStale("p/a")).toBe(false);
		answer();
		expect(replicas.mayHaveBeenStale("p/a")).toBe(true);
	});
});

test("without the scheduler too, retries are a tenth of a pool's traffic and five in ten seconds", () => {
	const { replicas, advance } = rig();
	for (let i = 0; i < 100; i++) expect(replicas.mayFallBack("p", false)).toBe(true);
	const retries = () => Array.from({ length: 50 }, () => replicas.mayFallBack("p", true)).filter(Boolean).length;
	expect(retries()).toBe(15);
	expect(replicas.mayFallBack("other", true)).toBe(true);
	advance(10);
	expect(retries()).toBe(5);
});

import { describe, expect, test } from "vitest";
import { Neighbourhood } from "../../../functions/route/neighbourhood.ts";

function rig() {
	let time = 0;
	const replicas = new Neighbourhood(() => time, 0.1);
	const answer = (failure: Parameters<Neighbourhood["exit"]>[2] = null) => {
		replicas.enter("p/a");
		replicas.exit("p/a", "https://pool.test/a", failure);
	};
	const mayBeStale = (path = "a") => replicas.mayHaveBeenStale(`https://pool.test/${path}`);
	return { replicas, answer, mayBeStale, advance: (seconds: number) => (time += seconds) };
}

describe("a lost connection", () => {
	test("may have been stale only where an earlier answer has left it", () => {
		const { answer, mayBeStale } = rig();
		expect(mayBeStale()).toBe(false);
		answer();
		answer();
		expect([1, 2, 3].map(() => mayBeStale())).toEqual([true, true, false]);
	});

	test("may be any of its server's, whichever replica it was made for", () => {
		const { replicas, answer, mayBeStale } = rig();
		answer();
		expect(replicas.mayHaveBeenStale("https://other.test/a")).toBe(false);
		expect(mayBeStale("b")).toBe(true);
		expect(mayBeStale("a")).toBe(false);
	});

	test("was not, where the next one was lost too, until the replica has answered again", () => {
		const { answer, mayBeStale } = rig();
		for (let i = 0; i < 50; i++) answer();
		expect(mayBeStale()).toBe(true);
		answer("connect");
		expect(mayBeStale()).toBe(false);
		answer();
		expect(mayBeStale()).toBe(true);
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

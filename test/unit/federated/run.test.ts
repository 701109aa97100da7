import { describe, expect, test } from "vitest";
import { MemoryRun } from "./memory-run.ts";

const SYNC = { flush: { when: "count", count: 2 } };

function taskOf(run: MemoryRun, client: string, lot = 0): string {
	const answer = run.ask(client, lot);
	if (answer.kind !== "task") throw new Error(JSON.stringify(answer));
	return answer.id;
}

test("a round of two: pending, then in a version, told the same for ever", () => {
	const run = new MemoryRun(SYNC, ["a", "b"]);
	const [a, b] = [taskOf(run, "a"), taskOf(run, "b")];
	expect(run.commit("a", a, { examples: 5 })).toEqual({ status: "pending", round: 1, weight: 5 });
	expect(run.ask("a")).toEqual({ kind: "wait", reason: "contributed", until: null });
	expect(run.commit("b", b, { examples: 15 })).toMatchObject({ status: "pending" });
	expect(run.plans).toMatchObject([
		{
			version: 1,
			parent: 0,
			step: 1,
			updates: [
				{ id: a, coefficient: 0.25 },
				{ id: b, coefficient: 0.75 },
			],
		},
	]);
	expect(run.ask("a")).toMatchObject({ kind: "wait", reason: "version_in_making" });
	run.made();
	for (let i = 0; i < 2; i++) {
		expect(run.commit("a", a, { examples: 1e6 })).toEqual({ status: "accepted", round: 1, version: 1, weight: 5 });
	}
	expect(run.ask("a")).toMatchObject({ kind: "task", round: 2, base: 1 });
});

test("asking again gives the same task, and a lapsed one may be gone on with", () => {
	const run = new MemoryRun({ ...SYNC, task_seconds: 60 }, ["a", "b"]);
	const first = run.ask("a");
	expect(run.ask("a")).toEqual(first);
	run.now += 61;
	expect(run.commit("b", "up_1_b")).toBe("task_unknown");
	expect(run.ask("a")).toMatchObject({ kind: "task", id: "up_1_a", base: 0, deadline: run.now + 60 });
	run.now += 61;
	expect(run.commit("a", "up_1_a")).toEqual({ status: "refused", reason: "late" });
	expect(run.commit("a", "up_1_a")).toEqual({ status: "refused", reason: "late" });
});

describe("a selection by count", () => {
	const one = { selection: { by: "count", count: 1 }, flush: { when: "count", count: 1 } };

	test("gives the place of a client that does not answer to another, and says when", () => {
		const run = new MemoryRun({ ...one, task_seconds: 60 }, ["a", "b"]);
		taskOf(run, "a");
		const { now } = run;
		const answer = run.ask("b");
		expect(answer).toMatchObject({ kind: "wait", reason: "not_selected" });
		const again = answer.kind === "wait" ? answer.until! : 0;
		expect(again).toBeGreaterThan(now + 60);
		expect(again).toBeLessThan(now + 61);
		run.now = again;
		run.commit("b", taskOf(run, "b"));
		expect(run.plans).toHaveLength(1);
	});

	test("does so too when the round goes on, which gives the slow one longer, but not the place", () => {
		const run = new MemoryRun({ ...one, flush: { when: "count", count: 1, deadline_seconds: 100 } }, ["a", "b"]);
		const slow = taskOf(run, "a");
		run.now += 101;
		run.settle();
		expect(run.run).toMatchObject({ state: "running", extended: true });
		taskOf(run, "b");
		expect(run.commit("a", slow)).toMatchObject({ status: "pending" });
	});

	test("gives the place of an expelled client to another", () => {
		const run = new MemoryRun({ selection: { by: "count", count: 2 }, flush: { when: "count", count: 2 } }, [
			"a",
			"b",
			"c",
		]);
		run.commit("a", taskOf(run, "a"));
		taskOf(run, "b");
		expect(run.ask("c")).toMatchObject({ reason: "not_selected" });
		run.expel("a");
		taskOf(run, "c");
	});
});

test("who is not needed for the round is told that it has closed", () => {
	const run = new MemoryRun(SYNC, ["a", "b", "c"]);
	const [a, b, c] = ["a", "b", "c"].map((client) => taskOf(run, client)) as [string, string, string];
	run.commit("a", a);
	run.commit("c", c);
	expect(run.commit("b", b)).toEqual({ status: "refused", reason: "round_closed" });
});

test("an update counts up to the staleness that the run allows", () => {
	const run = new MemoryRun({ flush: { when: "count", count: 1 }, staleness_max: 2 }, ["a", "b"]);
	const stale = taskOf(run, "b");
	for (let version = 1; version <= 3; version++) {
		run.commit("a", taskOf(run, "a"));
		run.made();
		if (version === 2) {
			// A third version in making would count too.
			expect(run.ask("b")).toMatchObject({ kind: "task", id: stale, base: 0 });
		}
	}
	expect(run.commit("b", stale)).toEqual({ status: "refused", reason: "too_stale" });
	const fresh = run.ask("b");
	expect(fresh).toMatchObject({ kind: "task", round: 4, base: 3 });
});

describe("a deadline", () => {
	const specification = { flush: { when: "count", count: 4, count_min: 2, deadline_seconds: 100 } };

	test("with enough updates flushes them", () => {
		const run = new MemoryRun(specification, ["a", "b", "c"]);
		run.commit("a", taskOf(run, "a"));
		run.commit("b", taskOf(run, "b"));
		run.now += 99;
		run.settle();
		expect(run.plans).toHaveLength(0);
		run.now += 1;
		run.settle();
		expect(run.plans).toMatchObject([{ updates: [{ coefficient: 0.5 }, { coefficient: 0.5 }] }]);
	});

	test("with too few is put off once; then the run pauses, and goes on with what it has", () => {
		const run = new MemoryRun(specification, ["a", "b", "c"]);
		const [a, b] = [taskOf(run, "a"), taskOf(run, "b")];
		run.commit("a", a);
		run.now += 100;
		run.settle();
		expect(run.run).toMatchObject({ state: "running", extended: true, deadline: run.now + 100 });
		run.now += 100;
		run.settle();
		expect(run.run).toMatchObject({ state: "paused", pauseReason: "too_few_updates", deadline: null });
		expect(run.ask("c")).toMatchObject({ kind: "wait", reason: "paused" });
		run.resume();
		expect(run.run).toMatchObject({ state: "running", pauseReason: null, extended: false, deadline: run.now + 100 });
		// The tasks of the round last as long as it does.
		run.now += 50;
		expect(run.commit("b", b)).toMatchObject({ status: "pending" });
		run.now += 50;
		run.settle();
		expect(run.plans[0]!.updates.map(({ id }) => id)).toEqual([a, b]);
	});

	test("ends the task of a round that has none itself", () => {
		const run = new MemoryRun({ ...SYNC, task_seconds: 10 }, ["a", "b"]);
		const a = taskOf(run, "a");
		run.now += 10;
		expect(run.commit("a", a)).toMatchObject({ status: "pending" });
	});
});

test("at an interval whatever came is flushed, on a grid that does not drift, and nothing makes no version", () => {
	const run = new MemoryRun({ flush: { when: "interval", seconds: 60 }, staleness_max: 5 }, ["a", "b"]);
	const start = run.now;
	run.now += 61;
	run.settle();
	expect(run.plans).toHaveLength(0);
	expect(run.run.deadline).toBe(start + 120);
	run.commit("a", taskOf(run, "a"));
	run.now = start + 120;
	run.settle();
	expect(run.plans).toHaveLength(1);
});

test("commits while a version is made count for the next", () => {
	const run = new MemoryRun({ flush: { when: "count", count: 1 }, staleness_max: 5 }, ["a", "b", "c"]);
	const ids = ["a", "b", "c"].map((client) => taskOf(run, client)) as [string, string, string];
	for (const [i, client] of ["a", "b", "c"].entries()) run.commit(client, ids[i]!);
	expect(run.plans).toHaveLength(1);
	expect(run.answer(ids[2])).toEqual({ status: "pending", round: 2, weight: 1 });
	run.made();
	expect(run.plans[1]).toMatchObject({ version: 2, parent: 1, updates: [{ id: ids[1] }, { id: ids[2] }] });
});

test("weights are capped by the run and by the invitation", () => {
	const run = new MemoryRun({ ...SYNC, weights: { max: 100 } }, ["a", "b"]);
	run.members.set("b", { ...run.members.get("b")!, weightCap: 10 });
	expect(run.commit("a", taskOf(run, "a"), { examples: 1e9 })).toMatchObject({ weight: 100 });
	expect(run.commit("b", taskOf(run, "b"), { examples: 1e9 })).toMatchObject({ weight: 10 });
});

/** Origin of the first three: adversarial-ingest.json. */
test.each([
	[{ examples: 0 }],
	[{ examples: -5 }],
	[{ examples: 1e12 }],
	[{ examples: NaN }],
	[{ steps: 0 }],
	[{ steps: 1.5 }],
	[{ loss: NaN }],
	[{ loss: Infinity }],
])("a report of %o is refused, and may be mended", (report) => {
	const run = new MemoryRun(SYNC, ["a"]);
	const a = taskOf(run, "a");
	expect(run.commit("a", a, report)).toBe("report_invalid");
	expect(run.commit("a", a, {}, 2)).toBe("parts_missing");
	expect(run.commit("a", a)).toMatchObject({ status: "pending" });
});

test("what a rule needs has to be told", () => {
	const nova = new MemoryRun({ ...SYNC, rule: { name: "fednova" } }, ["a"]);
	expect(nova.commit("a", taskOf(nova, "a"), { steps: null })).toBe("report_invalid");
	const q = new MemoryRun({ ...SYNC, rule: { name: "qfedavg", client_learning_rate: 1 } }, ["a"]);
	expect(q.commit("a", taskOf(q, "a"), { loss: null })).toBe("report_invalid");
	const bounded = new MemoryRun({ ...SYNC, limits: { update_norm_max: 0.5 } }, ["a"]);
	expect(bounded.commit("a", taskOf(bounded, "a"))).toBe("norm_too_large");
});

describe("selection", () => {
	test("by count: the first that ask, counting those who have done their work", () => {
		const run = new MemoryRun({ flush: { when: "count", count: 2 }, selection: { by: "count", count: 2 } }, [
			"a",
			"b",
			"c",
		]);
		run.commit("a", taskOf(run, "a"));
		taskOf(run, "b");
		expect(run.ask("c")).toMatchObject({ kind: "wait", reason: "not_selected" });
		expect(run.ask("b")).toMatchObject({ kind: "task" });
	});

	test("by fraction: who drew a low lot", () => {
		const run = new MemoryRun({ ...SYNC, selection: { by: "fraction", fraction: 0.5 } }, ["a", "b"]);
		expect(run.ask("a", 0.49)).toMatchObject({ kind: "task" });
		expect(run.ask("b", 0.5)).toMatchObject({ kind: "wait", reason: "not_selected" });
	});

	test("by fraction: others in the place of those who do not ask", () => {
		const run = new MemoryRun({ ...SYNC, selection: { by: "fraction", fraction: 0.25 } }, ["a", "b", "c", "d"]);
		expect(run.ask("a", 0.6)).toEqual({ kind: "wait", reason: "not_selected", until: run.now + 30 });
		run.now += 30;
		expect(run.ask("a", 0.6)).toMatchObject({ kind: "wait", until: run.now + 30 });
		run.now += 30;
		expect(run.ask("a", 0.6)).toMatchObject({ kind: "task" });
		// One of four has a task: no more are drawn.
		expect(run.ask("b", 0.6)).toMatchObject({ kind: "wait", reason: "not_selected" });
		expect(run.ask("c", 0.2)).toMatchObject({ kind: "task" });
	});

	test("by loss: the highest, clipped, and first who told none", () => {
		const clients = ["a", "b", "c"];
		const run = new MemoryRun({ ...SYNC, selection: { by: "loss", count: 2, loss_max: 10 } }, clients);
		for (const [client, loss] of [
			["a", 5],
			["b", 1e9],
		] as const) {
			run.members.set(client, { ...run.members.get(client)!, loss });
		}
		expect(run.ask("a")).toMatchObject({ kind: "wait", reason: "not_selected" });
		expect(run.ask("b")).toMatchObject({ kind: "task" });
		expect(run.ask("c")).toMatchObject({ kind: "task" });
	});

	test("nobody is given work that the shards have no room for", () => {
		const run = new MemoryRun({ ...SYNC, limits: { updates_staged_max: 2 } }, ["a", "b", "c"]);
		taskOf(run, "a");
		taskOf(run, "b");
		expect(run.ask("c")).toMatchObject({ kind: "wait", reason: "staging_full" });
	});
});

test("a rollback refuses what is pending and goes on from the version that it makes", () => {
	const run = new MemoryRun(SYNC, ["a", "b", "c"]);
	for (const client of ["a", "b"]) run.commit(client, taskOf(run, client));
	expect(run.rollBack()).toBe(false);
	run.made();
	run.commit("a", taskOf(run, "a"));
	const open = taskOf(run, "b");
	expect(run.rollBack()).toBe(true);
	expect(run.answer("up_2_a")).toEqual({ status: "refused", reason: "rolled_back" });
	expect(run.commit("b", open)).toBe("task_unknown");
	run.made();
	expect(run.run).toMatchObject({ version: 2, step: 0, round: 3 });
	expect(run.ask("b")).toMatchObject({ kind: "task", round: 3, base: 2 });
});

test("a run ends at its last version, or when it is told", () => {
	const run = new MemoryRun({ ...SYNC, versions_max: 1 }, ["a", "b"]);
	for (const client of ["a", "b"]) run.commit(client, taskOf(run, client));
	run.made();
	expect(run.run).toMatchObject({ state: "finished", version: 1 });
	expect(run.ask("a")).toEqual({ kind: "none", reason: "run_closed" });

	const told = new MemoryRun(SYNC, ["a", "b"]);
	const [a, b] = [taskOf(told, "a"), taskOf(told, "b")];
	told.commit("a", a);
	told.end("finish");
	expect(told.answer(a)).toEqual({ status: "refused", reason: "run_closed" });
	expect(told.commit("b", b)).toEqual({ status: "refused", reason: "run_closed" });
});

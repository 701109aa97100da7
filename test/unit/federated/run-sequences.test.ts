import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { UpdateAnswer } from "../../../src/shared/federated/messages.ts";
import { flushCountMin } from "../../../src/shared/federated/check-specification.ts";
import { MemoryRun } from "./memory-run.ts";

const CLIENTS = ["a", "b", "c", "d", "e"];

const specifications = fc.constantFrom<object>(
	{ flush: { when: "count", count: 3 } },
	{ flush: { when: "count", count: 3, count_min: 2, deadline_seconds: 100 }, selection: { by: "count", count: 4 } },
	{ flush: { when: "count", count: 2 }, staleness_max: 2, rule: { name: "fedbuff" } },
	{ flush: { when: "count", count: 1 }, staleness_max: 9, rule: { name: "fedasync" }, task_seconds: 50 },
	{ flush: { when: "interval", seconds: 60 }, staleness_max: 3, rule: { name: "fedfix" } },
	{ flush: { when: "count", count: 2 }, versions_max: 3, selection: { by: "fraction", fraction: 0.5 } },
	{ flush: { when: "count", count: 2 }, selection: { by: "loss", count: 3 } },
);

const client = fc.constantFrom(...CLIENTS);
const lot = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

type Step = (run: MemoryRun, given: Map<string, string[]>) => void;

function ask(client: string, lot: number): Step {
	return (run, given) => {
		const answer = run.ask(client, lot);
		const ids = given.get(client) ?? [];
		if (answer.kind === "task" && ids[0] !== answer.id) given.set(client, [answer.id, ...ids]);
	};
}

/** Commits one of the tasks that the client was ever given, the latest first; an answer that was told is told again. */
function commit(client: string, back: number): Step {
	return (run, given) => {
		const id = given.get(client)?.[back] ?? "up_1_nobody";
		const before = run.answer(id);
		const answer = run.commit(client, id);
		if (before) expect(answer).toEqual(before);
	};
}

function expel(client: string): Step {
	return (run) => {
		run.expel(client);
		expelledAt.get(run)!.set(client, Math.min(run.plans.length, expelledAt.get(run)!.get(client) ?? Infinity));
	};
}

/** Flushes that had been frozen when a client was expelled, by client. */
const expelledAt = new WeakMap<MemoryRun, Map<string, number>>();

/** Some clients ask and commit, and what comes of it is made. */
const round = fc.subarray(CLIENTS, { minLength: 1 }).map((clients): Step => (run, given) => {
	for (const client of clients) ask(client, 0)(run, given);
	for (const client of clients) commit(client, 0)(run, given);
	run.made();
});

const step = fc.oneof<fc.WeightedArbitrary<Step>[]>(
	{ weight: 40, arbitrary: fc.tuple(client, lot).map(([client, lot]) => ask(client, lot)) },
	{
		weight: 50,
		arbitrary: fc.tuple(client, fc.constantFrom(0, 0, 0, 1, 2)).map(([client, back]) => commit(client, back)),
	},
	{ weight: 15, arbitrary: round },
	{ weight: 15, arbitrary: fc.constant<Step>((run) => run.made()) },
	{
		weight: 15,
		arbitrary: fc.integer({ min: 1, max: 90 }).map(
			(s): Step =>
				(run) =>
					void (run.now += s),
		),
	},
	{ weight: 15, arbitrary: fc.constant<Step>((run) => run.settle()) },
	{ weight: 3, arbitrary: fc.constant<Step>((run) => run.pause()) },
	{ weight: 6, arbitrary: fc.constant<Step>((run) => run.resume()) },
	{ weight: 3, arbitrary: fc.constant<Step>((run) => void run.rollBack()) },
	{ weight: 3, arbitrary: client.map(expel) },
	{ weight: 1, arbitrary: fc.constantFrom("finish" as const, "cancel" as const).map((how) => (run) => run.end(how)) },
);

test("whatever happens, and however often it is told: nothing counts twice, and no answer changes but pending", () => {
	fc.assert(
		fc.property(specifications, fc.array(step, { maxLength: 150 }), (specification, steps) => {
			const run = new MemoryRun(specification, CLIENTS);
			const given = new Map<string, string[]>();
			const answers = new Map<string, UpdateAnswer>();
			expelledAt.set(run, new Map());
			for (const step of steps) {
				const before = run.run;
				step(run, given);

				for (const ids of given.values()) {
					for (const id of ids) {
						const [old, answer] = [answers.get(id), run.answer(id)];
						if (old && old.status !== "pending") expect(answer).toEqual(old);
						if (old) expect(answer).not.toBe(null);
						if (answer) answers.set(id, answer);
					}
				}
				expect(run.run.round).toBeGreaterThanOrEqual(before.round);
				expect(run.run.version! - before.version!).toBeOneOf([0, 1]);
				if (run.run.state === "finished" || run.run.state === "cancelled") {
					const making = run.run.making?.kind === "flush" ? run.plans.at(-1)!.updates.length : 0;
					const pending = [...run.updates.values()].filter(({ answer }) => answer.status === "pending");
					if (run.run.state === "finished") expect(pending.length).toBeLessThanOrEqual(making);
				}
			}

			const counted = run.plans.flatMap(({ updates }) => updates.map(({ id }) => id));
			expect(new Set(counted).size).toBe(counted.length);
			for (const [index, plan] of run.plans.entries()) {
				const { pending, due } = run.flushes[index]!;
				const { flush, staleness_max } = run.specification;
				if (flush.when === "count" && !due) expect(pending).toBeGreaterThanOrEqual(flush.count);
				expect(pending).toBeGreaterThanOrEqual(flushCountMin(run.specification));
				const clients = plan.updates.map(({ id }) => run.updates.get(id)!.client);
				expect(new Set(clients).size).toBe(clients.length);
				const ids = plan.updates.map(({ id }) => id);
				expect(ids.toSorted()).toEqual(ids);
				for (const { id } of plan.updates) {
					const update = run.updates.get(id)!;
					expect(plan.parent - update.base).toBeGreaterThanOrEqual(0);
					expect(plan.parent - update.base).toBeLessThanOrEqual(staleness_max);
					expect(index).toBeLessThan(expelledAt.get(run)!.get(update.client) ?? Infinity);
					// One that was cancelled before it was whole is given up.
					if (plan.version <= run.run.version!) expect(update.answer.status).toBe("accepted");
					else if (run.run.state !== "cancelled") expect(update.answer.status).toBe("pending");
				}
			}
			for (const { id, answer } of run.updates.values()) {
				if (answer.status !== "accepted") continue;
				const plan = run.plans.filter(({ updates }) => updates.some((update) => update.id === id));
				expect(plan.map(({ version }) => version)).toEqual([answer.version]);
			}
		}),
		{ numRuns: 2_000 },
	);
});

test("a client that was expelled before the flush is as one that never came", () => {
	const rest = fc.uniqueArray(fc.constantFrom("b", "c", "d", "e"), { minLength: 3, maxLength: 4 });
	fc.assert(
		fc.property(rest, fc.integer({ min: 1, max: 1e6 }), fc.nat(4), (others, examples, place) => {
			const specification = { flush: { when: "count", count: others.length } };
			const [with_, without] = [new MemoryRun(specification, CLIENTS), new MemoryRun(specification, CLIENTS)];
			for (const run of [with_, without]) for (const client of CLIENTS) run.ask(client);
			for (const [i, client] of others.entries()) {
				if (i === Math.min(place, others.length - 2)) {
					with_.commit("a", "up_1_a", { examples });
					with_.expel("a");
				}
				for (const run of [with_, without]) run.commit(client, `up_1_${client}`, { examples: i + 1 });
			}
			expect(with_.plans).toEqual(without.plans);
			expect(with_.plans).toHaveLength(1);
		}),
	);
});

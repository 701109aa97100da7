import * as fc from "fast-check";
import { expect, test } from "vitest";
import { WaitingRoom } from "../../../src/shared/admission/waiting-room.ts";
import type { WaitingEntry } from "../../../src/shared/admission/waiting-room.ts";
import { PRIORITIES } from "../../../src/shared/catalog/priorities.ts";
import { NaiveWaitingRoom } from "./naive-waiting-room.ts";

const TENANTS = ["a", "b", "c", "d"];

interface Model {
	readonly naive: NaiveWaitingRoom;
	now: number;
}
type Real = WaitingRoom<number>;
type Command = fc.Command<Model, Real>;

/** Every command ends with what must hold between the room and its model. */
function compare({ naive }: Model, room: Real): void {
	expect(room.size).toBe(naive.entries.length);
	expect(room.size).toBeLessThanOrEqual(naive.max);
	for (const tenant of TENANTS) {
		expect(naive.entries.filter((e) => e.tenant === tenant).length).toBeLessThanOrEqual(naive.tenantMax);
	}
	for (const entry of naive.entries) {
		const { id, candidates } = entry;
		expect(room.get(id)).toEqual(entry);
		expect(room.sizeFor(candidates)).toBe(naive.entries.filter((e) => (e.candidates & candidates) !== 0n).length);
		expect(room.waits(candidates)).toBe(true);
	}
	expect(room.waits(0b1000n)).toBe(false);
}

function command(name: string, act: (model: Model, room: Real) => void): Command {
	return {
		check: () => true,
		run: (model, room) => {
			act(model, room);
			compare(model, room);
		},
		toString: () => name,
	};
}

const IDS = 40;
const id = fc.integer({ min: 0, max: IDS }).map(String);

const offer = fc
	.record({
		id,
		tenant: fc.constantFrom(...TENANTS),
		priority: fc.constantFrom(...PRIORITIES),
		cost: fc.integer({ min: 1, max: 50 }),
		patience: fc.integer({ min: 0, max: 30 }),
		candidates: fc.bigInt(1n, 7n),
		payload: fc.integer({ min: 0, max: 3 }),
	})
	.map(({ patience, ...rest }) =>
		command(`offer ${fc.stringify(rest)} for ${patience} s`, (model, room) => {
			const weight = rest.tenant === "a" ? 4 : 1;
			const entry: WaitingEntry<number> = { ...rest, weight, enqueuedAt: model.now, deadline: model.now + patience };
			const isNew = room.get(entry.id) === undefined;
			const position = room.nextPosition(entry);
			const expected = model.naive.offer(entry);
			const got = room.offer(entry);
			if (got.ok && isNew && !got.value.displaced) expect(got.value.position).toBe(position);
			if (got.ok) {
				expect(got.value.position).toBeGreaterThanOrEqual(1);
				expect(got.value.position).toBeLessThanOrEqual(room.size);
			}
			expect(got.ok ? { displaced: got.value.displaced } : got.error).toEqual(expected);
		}),
	);

/** Some of those that a free candidate may take are not admissible for reasons of their own. */
const next = fc.record({ largest: fc.integer({ min: 0, max: 3 }), free: fc.bigInt(0n, 7n) }).map(({ largest, free }) =>
	command(`next of at most ${largest} for ${free}`, (model, room) => {
		const fits = (entry: WaitingEntry<number>) => entry.payload <= largest;
		const isFree = (entry: WaitingEntry<number>) => (entry.candidates & free) !== 0n;
		const expected = model.naive.next((entry) => entry.deadline > model.now && isFree(entry) && fits(entry));
		expect(room.next(model.now, free, fits, 2 * IDS)).toEqual(expected);
	}),
);

const regroup = fc.bigInt(1n, 7n).map((mask) =>
	command(`regroup by ${mask}`, ({ naive }, room) => {
		for (const entry of naive.entries) naive.replace(entry, { ...entry, candidates: entry.candidates ^ mask || 1n });
		room.regroup(({ candidates }) => candidates ^ mask || 1n);
	}),
);

const leave = id.map((id) =>
	command(`leave ${id}`, ({ naive }, room) => {
		const entry = naive.entries.find((e) => e.id === id);
		expect(room.get(id)).toEqual(entry);
		expect(room.leave(id)).toEqual(entry);
		if (entry) naive.drop(entry);
		expect(room.leave(id)).toBeUndefined();
	}),
);

/** The clock may jump, and go back a little; sometimes nobody calls `expire`. */
const expire = fc.record({ by: fc.integer({ min: -3, max: 12 }), ends: fc.boolean() }).map(({ by, ends }) =>
	command(`${by} s pass`, (model, room) => {
		model.now += by;
		if (!ends) return;
		const expected = model.naive.entries.filter(({ deadline }) => deadline <= model.now);
		for (const entry of expected) model.naive.drop(entry);
		const got = room.expire(model.now);
		expect(new Set(got)).toEqual(new Set(expected));
		expect(got.map(({ deadline }) => deadline)).toEqual(expected.map(({ deadline }) => deadline).sort((a, b) => a - b));
	}),
);

test("the room does what the rules say, whatever comes in which order", () => {
	fc.assert(
		fc.property(
			fc.constantFrom(1, 5, 20, 40),
			fc.constantFrom(2, 8, 40),
			fc.commands([offer, offer, offer, next, next, leave, expire, regroup], { maxCommands: 120, size: "max" }),
			(max, tenantMax, commands) => {
				fc.modelRun(
					() => ({
						model: { naive: new NaiveWaitingRoom(max, tenantMax), now: 1_000 },
						real: new WaitingRoom<number>({ max, tenantMax }),
					}),
					commands,
				);
			},
		),
		{ numRuns: 60 },
	);
});

import * as fc from "fast-check";
import { expect, test } from "vitest";
import { WaitingRoom } from "../../../src/shared/admission/waiting-room.ts";
import type { WaitingEntry } from "../../../src/shared/admission/waiting-room.ts";
import { PRIORITIES } from "../../../src/shared/catalog/keys.ts";
import { NaiveWaitingRoom } from "./naive-waiting-room.ts";

const TENANTS = ["a", "b", "c", "d"];
const weightOf = (tenant: string) => (tenant === "a" ? 4 : 1);

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
	const deadlines = naive.entries.map(({ deadline }) => deadline);
	expect(room.nextDeadline()).toBe(deadlines.length ? Math.min(...deadlines) : undefined);
	for (const { id } of naive.entries) {
		expect(room.position(id)).toBeGreaterThanOrEqual(1);
		expect(room.position(id)).toBeLessThanOrEqual(room.size);
	}
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

const id = fc.integer({ min: 0, max: 40 }).map(String);

const offer = fc
	.record({
		id,
		tenant: fc.constantFrom(...TENANTS),
		priority: fc.constantFrom(...PRIORITIES),
		cost: fc.integer({ min: 1, max: 50 }),
		patience: fc.integer({ min: 0, max: 30 }),
		payload: fc.integer({ min: 0, max: 3 }),
	})
	.map(({ patience, ...rest }) =>
		command(`offer ${JSON.stringify(rest)} for ${patience} s`, (model, room) => {
			const entry: WaitingEntry<number> = { ...rest, enqueuedAt: model.now, deadline: model.now + patience };
			const isNew = room.get(entry.id) === undefined;
			const position = room.nextPosition(entry.tenant, entry.priority);
			const expected = model.naive.offer(entry);
			const got = room.offer(entry);
			if (got.ok && isNew && !got.value.displaced) expect(got.value.position).toBe(position);
			expect(got.ok ? { displaced: got.value.displaced } : got.error).toEqual(expected);
		}),
	);

const next = fc.integer({ min: -1, max: 3 }).map((largest) =>
	command(`next of at most ${largest}`, (model, room) => {
		const fits = (entry: WaitingEntry<number>) => entry.payload <= largest;
		const expected = model.naive.next((entry) => entry.deadline > model.now && fits(entry));
		expect(room.next(model.now, fits, 2 * TENANTS.length)).toBe(expected);
	}),
);

const leave = id.map((id) =>
	command(`leave ${id}`, ({ naive }, room) => {
		const entry = naive.entries.find((e) => e.id === id);
		expect(room.get(id)).toBe(entry);
		expect(room.leave(id)).toBe(entry !== undefined);
		if (entry) naive.drop(entry);
		expect(room.leave(id)).toBe(false);
		expect(room.position(id)).toBeUndefined();
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
			fc.commands([offer, offer, offer, next, next, leave, expire], { maxCommands: 120, size: "max" }),
			(max, tenantMax, commands) => {
				fc.modelRun(
					() => ({
						model: { naive: new NaiveWaitingRoom(max, tenantMax, weightOf), now: 1_000 },
						real: new WaitingRoom<number>({ max, tenantMax, weightOf }),
					}),
					commands,
				);
			},
		),
		{ numRuns: 60 },
	);
});

import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
	ONLY_PLACE,
	placeInName,
	schedulerName,
	schedulerOptions,
	schedulerPlaces,
	shardOf,
} from "../../../src/shared/scheduler/name.ts";
import { MIXED, modelOf } from "./support.ts";

test("a scheduler's name says its place, whatever the model is called", () => {
	const model = fc.stringMatching(/^[a-z][a-z0-9/._-]{0,20}$/);
	const place = fc.record({ group: fc.stringMatching(/^[a-z][a-z0-9.-]{0,8}$/), shard: fc.nat(63) });
	fc.assert(
		fc.property(model, place, (id, at) => {
			expect(placeInName(schedulerName(id, at), id)).toEqual(at);
			expect(placeInName(schedulerName(id), id)).toEqual(ONLY_PLACE);
		}),
	);
	for (const name of [undefined, "", "m", "m/x", "other/eu/1", "m/eu/one", "m/eu/1/2"])
		expect(placeInName(name, "m")).toEqual(ONLY_PLACE);
});

test("a model has a scheduler for each of its groups and shards, created where its group wishes", () => {
	const model = modelOf({
		...MIXED,
		models: [{ ...MIXED.models[0]!, scheduler_shards: 2 }],
		region_groups: [
			{ id: "america", regions: ["us"], location_hint: "enam" },
			{ id: "nowhere", regions: ["mars"], location_hint: "oc" },
		],
	});
	const places = schedulerPlaces(model);
	expect(places.map((place) => schedulerName(model.id, place))).toEqual([
		"m/global/0",
		"m/global/1",
		"m/america/0",
		"m/america/1",
	]);
	expect(places.map((place) => schedulerOptions(model, place))).toEqual([
		{},
		{},
		{ locationHint: "enam" },
		{ locationHint: "enam" },
	]);
	expect(schedulerPlaces({ ...model, groups: [] }).map(({ group }) => group)).toEqual(["global", "global"]);
});

test("a conversation has one of the shards", () => {
	fc.assert(
		fc.property(fc.integer(), fc.integer({ min: 1, max: 64 }), (conversation, shards) => {
			const shard = shardOf(conversation, shards);
			expect(shard).toBeGreaterThanOrEqual(0);
			expect(shard).toBeLessThan(shards);
		}),
	);
});

import { catalogSchema } from "../../src/shared/catalog/schema.ts";
import { buildSnapshot } from "../../src/shared/catalog/snapshot.ts";
import { SchedulerCore } from "../../src/shared/scheduler/core.ts";
import type { Ended } from "../../src/shared/scheduler/messages.ts";
import { settingsFrom } from "../../src/shared/settings.ts";
import { Conversations } from "./conversations.ts";
import { cpuMicroseconds } from "./cpu-time.ts";
import { BLOCKS_PER_REPLICA, catalogOf, MODEL, requestOf } from "./fleet.ts";

export interface CoreRate {
	readonly replicas: number;
	/** Blocks that the index held while it was measured. */
	readonly blocks: number;
	/** Mean microseconds of CPU. */
	readonly assign: number;
	readonly end: number;
}

export interface CoreEffort {
	readonly rounds: number;
	readonly batch: number;
}

/** Requests in flight on each replica before a batch. */
const IN_FLIGHT = 8;
const REQUESTS_PER_SECOND = 1_000;

/** Assigns prompts to a fleet whose caches are full, and ends as many, in turns. */
export function measureCore(replicas: number, { rounds, batch }: CoreEffort, seed: number): CoreRate {
	const core = new SchedulerCore({
		// Room for twice the blocks of the largest fleet, so that each replica's own capacity is what evicts.
		settings: settingsFrom(JSON.stringify({ prefixIndexMegabytes: 96 })),
		rng: () => 0.5,
		onTurn: () => {},
	});
	let now = 1_800_000_000;
	core.configure(buildSnapshot(1, catalogSchema.parse(catalogOf(replicas))).models.get(MODEL), now);
	const conversations = new Conversations(seed);
	const target = replicas * BLOCKS_PER_REPLICA;
	for (let i = 0; core.prefixes.statistics().blocks < target * 0.98;) {
		for (let n = 0; n < 64 * replicas; n++)
			core.prefixes.computed(core.fleet.replicas[i++ % replicas]!, conversations.next());
	}

	const flying: Ended[] = [];
	let serial = 0;
	const assign = (chains: readonly Uint32Array[]): void => {
		for (const chain of chains) {
			now += 1 / REQUESTS_PER_SECOND;
			const reservation = `r${serial++}`;
			const reply = core.assign(requestOf(reservation, chain), now);
			if (reply.kind !== "assigned") throw new Error(`A request was ${reply.kind}, and none should be.`);
			const { expectedTtft, expectedSeconds, expectedCachedTokens = 0 } = reply.ranked[0]!;
			flying.push({
				reservation,
				outcome: "ok",
				ttft: expectedTtft,
				seconds: expectedSeconds,
				promptTokens: reply.promptTokens,
				cachedTokens: expectedCachedTokens,
				outputTokens: 200,
			});
		}
	};
	const chainsOf = (count: number) => Array.from({ length: count }, () => conversations.next());
	assign(chainsOf(IN_FLIGHT * replicas));
	let assigning = 0;
	let ending = 0;
	// As many rounds again, unmeasured, until the compiler has done its work.
	for (let round = -rounds; round < rounds; round++) {
		const chains = chainsOf(batch);
		const began = cpuMicroseconds();
		assign(chains);
		const assigned = cpuMicroseconds();
		for (const ended of flying.splice(0, batch)) core.mail({ first: [], renewals: [], ended: [ended] }, now);
		if (round < 0) continue;
		assigning += assigned - began;
		ending += cpuMicroseconds() - assigned;
	}
	const { blocks } = core.prefixes.statistics();
	return { replicas, blocks, assign: assigning / (rounds * batch), end: ending / (rounds * batch) };
}

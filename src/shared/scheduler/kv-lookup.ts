import type { EngineEvents } from "../kv/events/engine-events.ts";
import type { HeldRow, KvQuestion } from "../kv/events/messages.ts";
import { prefixTokens, tokensPerBlock } from "../kv/prefix-tokens.ts";
import type { SchedulerCore } from "./core.ts";

const NOTHING = new Uint32Array(0);

/** What each replica holds of a prompt, the most first. Events are exact, so what the scheduler believes is told only of replicas
 *  that send none. */
export function kvLookup(core: SchedulerCore, events: EngineEvents, model: string, question: KvQuestion): HeldRow[] {
	const { tokens, prefix, promptBytes } = question;
	const { replicas } = core.fleet;
	const salted = new Set(replicas.filter(({ entry }) => entry.pool.cacheSalt).map(({ entry }) => entry.name));
	const rows: HeldRow[] = events
		.lookup((replica) =>
			tokens && !core.prefixes.isSilent(replica) ? (salted.has(replica) ? tokens.salted : tokens.plain) : NOTHING,
		)
		.map((row) => ({ source: "events", ...row }));

	const exact = events.replicas;
	const ratio = core.estimators.bytesPerToken.ratio(model);
	const promptTokens = question.promptTokens ?? Math.ceil(promptBytes / ratio);
	const perBlock = tokensPerBlock(prefix.unit, ratio);
	for (const { replica, blocks } of core.prefixes.heldBy(core.fleet, prefix.words)) {
		if (exact.has(replica) && !core.prefixes.isSilent(replica)) continue;
		rows.push({ source: "index", replica, tokens: prefixTokens(blocks, perBlock, promptTokens) });
	}
	return rows.sort((a, b) => b.tokens - a.tokens);
}

import type { Tokens } from "../units.ts";
import { PREFIX_LIMITS, type PrefixUnit } from "./prefix-chain.ts";

/** Prompt tokens in one block, where a prompt has so many bytes per token. */
export function tokensPerBlock(unit: PrefixUnit | undefined, bytesPerToken: number): Tokens {
	if (unit?.of === "tokens") return unit.count;
	return (unit?.count ?? PREFIX_LIMITS.blockBytes) / bytesPerToken;
}

/** Tokens of `blocks` blocks of a prompt that has `promptTokens` in all, of which one at least is computed in any case. */
export function prefixTokens(blocks: number, perBlock: Tokens, promptTokens: Tokens): Tokens {
	return Math.max(0, Math.min(Math.floor(blocks * perBlock), promptTokens - 1));
}

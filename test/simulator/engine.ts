import { BLOCK_TOKENS, type BlockChain } from "./block-chain.ts";
import type { Counters, Finish } from "./counters.ts";
import { PrefixCache, type CacheObserver, type Lease } from "./prefix-cache.ts";
import type { EngineProfile } from "./profile.ts";

/** What one sequence asks of the engine. The chain covers the prompt at first and grows with the answer. */
export interface SequenceInput {
	readonly chain: BlockChain;
	readonly promptTokens: number;
	/** Zero for an embedding: prefill only. */
	readonly outputTokens: number;
	readonly finish: Finish;
	readonly outputId: (index: number) => number;
	/** Output token `index` is there at `at`. */
	readonly onToken?: (index: number, at: number) => void;
	readonly onEnd: (sequence: Sequence, at: number) => void;
}

export interface Sequence extends SequenceInput {
	readonly arrivedAt: number;
	/** Prompt tokens found in the prefix cache when it first ran; null while it waits. */
	cachedTokens: number | null;
	generated: number;
	/** Tokens whose KV is computed. It lags one behind what is known while decoding. */
	computed: number;
	lease: Lease | null;
	ended: boolean;
}

/** Continuous batching as in vLLM's V1 scheduler, in virtual seconds: each step gives every running sequence its next
 *  token or a chunk of its prefill within the token budget, in order of arrival, and lets waiting ones in while there is
 *  room for their whole prompt. A sequence that needs a block when none is free pre-empts the youngest, which starts over.
 *
 *  Pure: the caller says when a step begins, and ends it at the time that `begin` returned. */
export class Engine {
	readonly #profile: EngineProfile;
	readonly #counters: Counters;
	readonly #cache: PrefixCache;
	readonly #waiting: Sequence[] = [];
	readonly #running: Sequence[] = [];
	#step: { readonly sequence: Sequence; readonly tokens: number }[] = [];
	#endsAt: number | null = null;
	/** Whether chains are to carry their tokens. */
	readonly recordsTokens: boolean;
	/** Multiplies every step. */
	slow = 1;
	/** A sleeping engine begins no step. */
	paused = false;

	constructor(profile: EngineProfile, counters: Counters, observer: CacheObserver | null = null) {
		this.recordsTokens = observer !== null;
		this.#profile = profile;
		this.#counters = counters;
		this.#cache = new PrefixCache(Math.floor(profile.kvTokens / BLOCK_TOKENS), observer);
	}

	get running(): number {
		return this.#running.length;
	}

	get waiting(): number {
		return this.#waiting.length;
	}

	get kvUsage(): number {
		return this.#cache.usage;
	}

	get cachedBlocks(): number {
		return this.#cache.cachedBlocks;
	}

	submit(input: SequenceInput, now: number): Sequence {
		const sequence: Sequence = {
			...input,
			arrivedAt: now,
			cachedTokens: null,
			generated: 0,
			computed: 0,
			lease: null,
			ended: false,
		};
		this.#waiting.push(sequence);
		return sequence;
	}

	/** Takes a sequence out at once, wherever it is. */
	abort(sequence: Sequence): void {
		if (sequence.ended) return;
		this.#counters.finished.abort++;
		this.#remove(sequence);
	}

	resetPrefixCache(): void {
		this.#cache.clear();
	}

	/** Schedules the step that starts at `now`; the time at which it ends, or null when there is nothing to do. */
	begin(now: number): number | null {
		this.#step = [];
		this.#endsAt = null;
		if (this.paused) return null;
		const { batchTokens, maxRunning } = this.#profile;
		const preemptions = this.#counters.preemptions;
		let budget = batchTokens;
		for (let i = 0; i < this.#running.length && budget > 0; i++) {
			const sequence = this.#running[i]!;
			const tokens = Math.min(known(sequence) - sequence.computed, budget);
			if (!this.#makeRoom(sequence, sequence.computed + tokens)) continue;
			budget -= this.#schedule(sequence, tokens);
		}
		while (this.#waiting.length > 0 && this.#running.length < maxRunning && budget > 0) {
			// As in vLLM, a step that had to pre-empt lets nobody in.
			if (this.#counters.preemptions > preemptions) break;
			const sequence = this.#waiting[0]!;
			if (!this.#admit(sequence)) break;
			this.#waiting.shift();
			this.#running.push(sequence);
			budget -= this.#schedule(sequence, Math.min(known(sequence) - sequence.computed, budget));
		}
		if (this.#step.length === 0) return null;
		this.#endsAt = now + this.#duration() * this.slow;
		return this.#endsAt;
	}

	/** Ends the step that `begin` scheduled: tokens come out and finished sequences leave. */
	end(): void {
		const at = this.#endsAt;
		if (at === null) return;
		const step = this.#step;
		this.#step = [];
		this.#endsAt = null;
		for (const { sequence, tokens } of step) {
			if (sequence.ended) continue;
			sequence.computed += tokens;
			if (sequence.computed === known(sequence)) this.#produce(sequence, at);
		}
	}

	#produce(sequence: Sequence, at: number): void {
		if (sequence.generated === 0) {
			this.#counters.promptTokens += sequence.promptTokens;
			this.#counters.ttft.observe(at - sequence.arrivedAt);
		}
		if (sequence.generated < sequence.outputTokens) {
			const index = sequence.generated++;
			this.#counters.generationTokens++;
			sequence.chain.push(sequence.outputId(index));
			sequence.onToken?.(index, at);
		}
		if (sequence.generated < sequence.outputTokens || sequence.ended) return;
		this.#counters.finished[sequence.finish]++;
		this.#remove(sequence);
		sequence.onEnd(sequence, at);
	}

	#admit(sequence: Sequence): boolean {
		const tokens = known(sequence);
		// As in vLLM, the last token is always computed: something must produce the next one's logits.
		const matched = this.#cache.matching(sequence.chain.hashes, Math.floor((tokens - 1) / BLOCK_TOKENS));
		const lease = this.#cache.take(sequence.chain.hashes, matched, blocks(tokens));
		if (!lease) return false;
		sequence.lease = lease;
		sequence.computed = matched * BLOCK_TOKENS;
		if (sequence.cachedTokens === null) {
			sequence.cachedTokens = sequence.computed;
			this.#counters.prefixQueries += tokens;
			this.#counters.prefixHits += sequence.computed;
		}
		return true;
	}

	/** Counts the blocks as cached from when they are scheduled, so that others in the same step share them. */
	#schedule(sequence: Sequence, tokens: number): number {
		this.#step.push({ sequence, tokens });
		const full = Math.floor((sequence.computed + tokens) / BLOCK_TOKENS);
		this.#cache.publish(sequence.lease!, sequence.chain, full);
		return tokens;
	}

	/** False when the sequence itself had to give way. */
	#makeRoom(sequence: Sequence, tokens: number): boolean {
		const lease = sequence.lease!;
		while (!this.#cache.grow(lease, Math.max(0, blocks(tokens) - lease.shared - lease.own))) {
			const youngest = this.#running.pop()!;
			this.#preempt(youngest);
			if (youngest === sequence) return false;
		}
		return true;
	}

	#preempt(sequence: Sequence): void {
		this.#counters.preemptions++;
		this.#cache.release(sequence.lease!, sequence.chain.hashes);
		sequence.lease = null;
		sequence.computed = 0;
		this.#waiting.unshift(sequence);
	}

	#duration(): number {
		const profile = this.#profile;
		let prefill = 0;
		let context = 0;
		for (const { sequence, tokens } of this.#step) {
			if (sequence.generated === 0 || tokens > 1) prefill += tokens;
			else context += sequence.computed;
		}
		return (
			profile.stepSeconds +
			profile.secondsPerSequence * this.#step.length +
			profile.secondsPerContextToken * context +
			prefill / profile.prefillTokensPerSecond
		);
	}

	#remove(sequence: Sequence): void {
		sequence.ended = true;
		const queue = sequence.lease ? this.#running : this.#waiting;
		queue.splice(queue.indexOf(sequence), 1);
		if (sequence.lease) this.#cache.release(sequence.lease, sequence.chain.hashes);
		sequence.lease = null;
	}
}

function known(sequence: Sequence): number {
	return sequence.promptTokens + sequence.generated;
}

function blocks(tokens: number): number {
	return Math.ceil(tokens / BLOCK_TOKENS);
}

import { BLOCK_TOKENS, reusableBlocks, type TraceRequest } from "../trace.ts";
import { BlockCache } from "./block-cache.ts";
import { DecodeQueue } from "./decode-queue.ts";
import { stepsSeconds, type EngineSpec, type StepLoad } from "./spec.ts";

/** A request on an engine. */
export interface Sequence {
	readonly request: TraceRequest;
	/** Whoever sent it knows it by this. */
	readonly id: number;
	/** Prompt tokens that were found in the cache; set when it begins to run. */
	cached: number;
	/** Prompt tokens that are computed or found. */
	filled: number;
	/** Its blocks that can be found by others. */
	published: number;
}

export interface EngineEvents {
	/** Its first token has come. */
	onFirst(sequence: Sequence, now: number): void;
	/** Its last token has come; in the same step as the first when it is the only one. */
	onEnd(sequence: Sequence, now: number): void;
}

interface Plan extends StepLoad {
	readonly start: number;
	/** Prompt tokens a step of each sequence that fills, from the first on. */
	readonly chunks: readonly number[];
	steps: number;
}

/** One replica: continuous batching with chunked prefill over paged KV memory with a prefix cache, in the manner of vLLM's
 *  scheduler (first come, first served; decodes go first, prompts fill the rest of a step). A sequence takes room for its
 *  prompt and its whole answer when it begins, so none is ever preempted. Steps that do the same are taken at once: the owner
 *  calls `advance` at `due`, and `enqueue` in between. */
export class Engine {
	readonly spec: EngineSpec;
	readonly cache: BlockCache;
	readonly #events: EngineEvents;
	readonly #waiting: Sequence[] = [];
	#filling: Sequence[] = [];
	readonly #decoding = new DecodeQueue<Sequence>();
	#context = 0;
	#step = 0;
	#plan: Plan | undefined;

	constructor(spec: EngineSpec, blockIds: number, events: EngineEvents) {
		this.spec = spec;
		this.cache = new BlockCache(spec.kvBlocks, blockIds);
		this.#events = events;
	}

	/** Requests that have not begun to run. */
	get waiting(): number {
		return this.#waiting.length;
	}

	get running(): number {
		return this.#filling.length + this.#decoding.size;
	}

	/** When `advance` is due; infinite while there is nothing to do. */
	get due(): number {
		const plan = this.#plan;
		return plan ? plan.start + stepsSeconds(this.spec, plan, plan.steps) : Infinity;
	}

	enqueue(request: TraceRequest, id: number, now: number): void {
		this.#waiting.push({ request, id, cached: 0, filled: 0, published: 0 });
		const plan = this.#plan;
		if (!plan) this.#plan = this.#next(now);
		else if (this.#waiting.length === 1 && plan.prefill + plan.decoding < this.spec.stepTokens) {
			// It may join after the step that runs now.
			plan.steps = this.#stepsUntil(plan, now);
		}
	}

	/** The steps that were planned until `due` are over. */
	advance(): void {
		const plan = this.#plan;
		if (!plan) return;
		const now = this.due;
		this.#step += plan.steps;
		this.#context += plan.decoding * plan.steps;
		for (let done = this.#decoding.pop(this.#step); done; done = this.#decoding.pop(this.#step)) this.#end(done, now);
		const filled: Sequence[] = [];
		plan.chunks.forEach((chunk, i) => {
			const sequence = this.#filling[i]!;
			sequence.filled += chunk * plan.steps;
			this.#publish(sequence);
			if (sequence.filled >= sequence.request.input) filled.push(sequence);
		});
		if (filled.length > 0) this.#filling = this.#filling.filter((sequence) => !filled.includes(sequence));
		for (const sequence of filled) {
			this.#events.onFirst(sequence, now);
			const { input, output } = sequence.request;
			this.#context += input + 1;
			if (output === 1) this.#end(sequence, now);
			else this.#decoding.push(sequence, this.#step + output - 1);
		}
		this.#plan = this.#next(now);
	}

	/** The cache is lost. What runs goes on. */
	clearCache(): void {
		this.cache.clear();
	}

	#next(now: number): Plan | undefined {
		const { stepTokens } = this.spec;
		const decoding = this.#decoding.size;
		const chunks: number[] = [];
		let room = Math.max(0, stepTokens - decoding);
		const all = room;
		let steps = Math.max(1, this.#decoding.first - this.#step);
		const fill = ({ request, filled }: Sequence): void => {
			const chunk = Math.min(room, request.input - filled);
			chunks.push(chunk);
			room -= chunk;
			// Its last step may be shorter, and something new begins after it.
			steps = Math.min(steps, Math.max(1, Math.floor((request.input - filled) / chunk)));
		};
		for (const sequence of this.#filling) if (room > 0) fill(sequence);
		const admits = (): boolean => room > 0 && this.#admit();
		while (admits()) fill(this.#filling.at(-1)!);
		if (decoding === 0 && chunks.length === 0) return undefined;
		return { start: now, prefill: all - room, decoding, context: this.#context, chunks, steps };
	}

	/** Lets the first that waits begin, if there is room for it. */
	#admit(): boolean {
		const sequence = this.#waiting[0];
		if (!sequence || this.running >= this.spec.runningMax) return false;
		const { request } = sequence;
		const matched = this.cache.match(request.blocks, reusableBlocks(request));
		if (!this.cache.take(request.blocks, matched, blocksOf(request) - matched)) {
			if (this.running > 0) return false;
			throw new Error(
				`A request of ${request.input} + ${request.output} tokens never fits into ${this.spec.kvBlocks} blocks.`,
			);
		}
		sequence.cached = matched * BLOCK_TOKENS;
		sequence.filled = sequence.cached;
		sequence.published = matched;
		this.#waiting.shift();
		this.#filling.push(sequence);
		return true;
	}

	#publish(sequence: Sequence): void {
		const { blocks } = sequence.request;
		const until = Math.min(blocks.length, Math.floor(sequence.filled / BLOCK_TOKENS));
		for (; sequence.published < until; sequence.published++) this.cache.computed(blocks[sequence.published]!);
	}

	#end(sequence: Sequence, now: number): void {
		const { request, published } = sequence;
		this.#context -= request.input + request.output;
		this.cache.release(request.blocks, 0, published);
		this.cache.releasePrivate(blocksOf(request) - published);
		this.#events.onEnd(sequence, now);
	}

	/** Whole steps of the plan until the first that ends at `now` or later. */
	#stepsUntil(plan: Plan, now: number): number {
		let low = 1;
		let high = plan.steps;
		while (low < high) {
			const middle = (low + high) >> 1;
			if (plan.start + stepsSeconds(this.spec, plan, middle) >= now) high = middle;
			else low = middle + 1;
		}
		return low;
	}
}

function blocksOf({ input, output }: TraceRequest): number {
	return Math.ceil((input + output) / BLOCK_TOKENS);
}

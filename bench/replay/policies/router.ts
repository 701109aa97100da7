import { BlockList } from "../engine/block-list.ts";
import type { Engine } from "../engine/engine.ts";
import type { Answer, Router, World } from "../simulate.ts";
import { BLOCK_TOKENS, reusableBlocks, type TraceRequest } from "../trace.ts";
import type { Choose, ReplicaView } from "./policy.ts";

/** What a router keeps of one replica. */
class Replica implements ReplicaView {
	readonly #engine: Engine;
	/** What it was sent, as many blocks as it holds. */
	readonly #sent: BlockList;
	readonly #users: Int32Array;
	#request: TraceRequest | undefined;
	inFlight = 0;
	unstarted = 0;
	pendingTokens = 0;
	promptTokens = 0;
	activeBlocks = 0;

	constructor(engine: Engine, blockIds: number) {
		this.#engine = engine;
		this.#sent = new BlockList(blockIds);
		this.#users = new Int32Array(blockIds);
	}

	get waiting(): number {
		return this.#engine.waiting;
	}

	get kvUsage(): number {
		return this.#engine.cache.used / this.#engine.cache.capacity;
	}

	get prefillTokensPerSecond(): number {
		return this.#engine.spec.prefillTokensPerSecond;
	}

	get matched(): number {
		const { blocks } = this.#request!;
		const max = reusableBlocks(this.#request!);
		let n = 0;
		while (n < max && this.#sent.has(blocks[n]!)) n++;
		return n;
	}

	get held(): number {
		const request = this.#request!;
		return this.#engine.cache.match(request.blocks, reusableBlocks(request));
	}

	get newActiveBlocks(): number {
		let count = 0;
		for (const block of this.#request!.blocks) if (this.#users[block] === 0) count++;
		return count;
	}

	ask(request: TraceRequest): void {
		this.#request = request;
	}

	/** Returns the tokens that it is expected to compute. */
	send({ blocks, input }: TraceRequest): number {
		const pending = Math.max(1, input - this.matched * BLOCK_TOKENS);
		// The last first, so that the beginning of a chain is the newest.
		for (let i = blocks.length - 1; i >= 0; i--) {
			this.#sent.touch(blocks[i]!);
			if (this.#users[blocks[i]!]!++ === 0) this.activeBlocks++;
		}
		while (this.#sent.size > this.#engine.cache.capacity) this.#sent.shift();
		this.inFlight++;
		this.unstarted++;
		this.pendingTokens += pending;
		this.promptTokens += input;
		return pending;
	}

	ended({ blocks, input }: TraceRequest): void {
		for (const block of blocks) if (--this.#users[block]! === 0) this.activeBlocks--;
		this.inFlight--;
		this.promptTokens -= input;
	}
}

/** One router that sees all traffic, knows at once what has ended, and asks a policy. */
export function policyRouter(choose: Choose<void>, rng: () => number): (world: World) => Router {
	return ({ engines, trace }) => {
		const replicas = engines.map((engine) => new Replica(engine, trace.blockIds));
		const pending = new Map<number, number>();
		return {
			route(id, request, send) {
				for (const replica of replicas) replica.ask(request);
				const index = choose(request, replicas, undefined, rng);
				pending.set(id, replicas[index]!.send(request));
				send(index);
			},
			onFirst({ id, replica }: Answer) {
				replicas[replica]!.unstarted--;
				replicas[replica]!.pendingTokens -= pending.get(id)!;
				pending.delete(id);
			},
			onEnd: ({ replica, request }: Answer) => replicas[replica]!.ended(request),
		};
	};
}

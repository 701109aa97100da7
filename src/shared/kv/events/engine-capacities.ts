import type { ReplicaName } from "../../scheduler/messages.ts";
import type { Tokens } from "../../units.ts";

/** An engine's GPU holds so many cached tokens at most; null: that is not known any more. */
export type OnCapacity = (replica: ReplicaName, tokens: Tokens | null) => void;

/** How much engines can hold, as their evictions tell it: what is left when an engine has evicted is what it has room for, or
 *  what it is seen to hold later, if that is more. */
export class EngineCapacities {
	readonly #onCapacity: OnCapacity;
	readonly #known = new Map<ReplicaName, Tokens>();

	constructor(onCapacity: OnCapacity) {
		this.#onCapacity = onCapacity;
	}

	has(replica: ReplicaName): boolean {
		return this.#known.has(replica);
	}

	/** It holds so many tokens now, and has just evicted others or not. Null: not all that it holds is known. */
	sees(replica: ReplicaName, held: Tokens | null, evicts: boolean): void {
		if (held === null) {
			this.forget(replica);
			return;
		}
		const known = this.#known.get(replica);
		if (evicts ? held === known : known === undefined || held <= known) return;
		this.#known.set(replica, held);
		this.#onCapacity(replica, held);
	}

	forget(replica: ReplicaName): void {
		if (this.#known.delete(replica)) this.#onCapacity(replica, null);
	}
}

import type { NanoUsd } from "../../src/shared/units.ts";

/** What this isolate has spent for keys whose ledger cannot be reached: bounded by what the key's operator allowed, forgotten
 *  when the ledger is back. Each isolate has its own, so the bound holds per isolate. */
export class Credit {
	readonly #used = new Map<string, NanoUsd>();

	/** False when it would go over `max`. */
	take(key: string, amount: NanoUsd, max: NanoUsd): boolean {
		const used = (this.#used.get(key) ?? 0) + amount;
		if (used > max) return false;
		this.#used.set(key, used);
		return true;
	}

	restored(key: string): void {
		if (this.#used.size > 0) this.#used.delete(key);
	}
}

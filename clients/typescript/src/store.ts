/** Where a client keeps its key, the model that it has pulled and the update that it is sending, so that it can be ended at any
 *  moment. One store belongs to one client. `write` has to be whole or not at all. */
export interface Store {
	/** The client's Ed25519 keys, made at the first call. */
	keys(): Promise<CryptoKeyPair>;
	/** Keeps others from working with the store until what it returns is called; null when somebody does. */
	lock(): Promise<(() => Promise<void>) | null>;
	read(name: string): Promise<Uint8Array<ArrayBuffer> | null>;
	write(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
	remove(name: string): Promise<void>;
	/** Names that begin so. They consist of letters, digits, `.`, `_` and `-`. */
	names(prefix: string): Promise<readonly string[]>;
}

/** Forgets all when its process ends: for simulations and tests. */
export class MemoryStore implements Store {
	readonly #values = new Map<string, Uint8Array<ArrayBuffer>>();
	#keys: Promise<CryptoKeyPair> | null = null;
	#isLocked = false;

	keys(): Promise<CryptoKeyPair> {
		return (this.#keys ??= newKeys(false));
	}

	async lock(): Promise<(() => Promise<void>) | null> {
		if (this.#isLocked) return null;
		this.#isLocked = true;
		return async () => {
			this.#isLocked = false;
		};
	}

	async read(name: string): Promise<Uint8Array<ArrayBuffer> | null> {
		return this.#values.get(name) ?? null;
	}

	async write(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
		this.#values.set(name, bytes.slice());
	}

	async remove(name: string): Promise<void> {
		this.#values.delete(name);
	}

	async names(prefix: string): Promise<readonly string[]> {
		return [...this.#values.keys()].filter((name) => name.startsWith(prefix)).sort();
	}
}

export function newKeys(isExtractable: boolean): Promise<CryptoKeyPair> {
	return crypto.subtle.generateKey("Ed25519", isExtractable, ["sign", "verify"]);
}

import { newKeys, type Store } from "./store.ts";

const VALUES = "values";
/** No name of a value has a colon. */
const KEYS = "keys:";

/** A database of the browser. The private key cannot be taken out of it, by the page neither. */
export class IndexedDbStore implements Store {
	readonly #name: string;
	#database: Promise<IDBDatabase> | null = null;
	#keys: Promise<CryptoKeyPair> | null = null;

	constructor(name = "isobar-federated") {
		this.#name = name;
	}

	keys(): Promise<CryptoKeyPair> {
		return (this.#keys ??= this.#readKeys());
	}

	lock(): Promise<(() => Promise<void>) | null> {
		return new Promise((resolve, reject) => {
			// Held until the promise that is returned here resolves, or the page is gone.
			const held = (lock: Lock | null) => {
				if (!lock) return resolve(null);
				return new Promise<void>((release) => resolve(async () => release()));
			};
			navigator.locks.request(`isobar-federated:${this.#name}`, { ifAvailable: true }, held).catch(reject);
		});
	}

	async read(name: string): Promise<Uint8Array<ArrayBuffer> | null> {
		const value = await this.#do("readonly", (values) => values.get(name));
		return value === undefined ? null : (value as Uint8Array<ArrayBuffer>);
	}

	async write(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
		await this.#do("readwrite", (values) => values.put(bytes.slice(), name));
	}

	async remove(name: string): Promise<void> {
		await this.#do("readwrite", (values) => values.delete(name));
	}

	async names(prefix: string): Promise<readonly string[]> {
		const range = IDBKeyRange.bound(prefix, `${prefix}\uffff`);
		const names = await this.#do("readonly", (values) => values.getAllKeys(range));
		return names.map(String).filter((name) => name !== KEYS);
	}

	/** Two pages that make keys at once end with the same: the first to be written. */
	async #readKeys(): Promise<CryptoKeyPair> {
		const stored = await this.#do("readonly", (values) => values.get(KEYS));
		if (stored !== undefined) return stored as CryptoKeyPair;
		const made = await newKeys(false);
		await this.#do("readwrite", (values) => values.add(made, KEYS)).catch(() => {});
		return (await this.#do("readonly", (values) => values.get(KEYS))) as CryptoKeyPair;
	}

	/** One request in a transaction of its own; resolves when the transaction has completed. */
	async #do<T>(mode: IDBTransactionMode, ask: (values: IDBObjectStore) => IDBRequest<T>): Promise<T> {
		const database = await (this.#database ??= open(this.#name));
		return new Promise((resolve, reject) => {
			const transaction = database.transaction(VALUES, mode);
			const request = ask(transaction.objectStore(VALUES));
			transaction.oncomplete = () => resolve(request.result);
			transaction.addEventListener("abort", () =>
				reject(transaction.error ?? new Error("the transaction was aborted")),
			);
		});
	}
}

function open(name: string): Promise<IDBDatabase> {
	return new Promise((resolve, reject) => {
		const request = indexedDB.open(name, 1);
		request.onupgradeneeded = () => request.result.createObjectStore(VALUES);
		request.onsuccess = () => resolve(request.result);
		request.addEventListener("error", () =>
			reject(request.error ?? new Error(`the database ${name} cannot be opened`)),
		);
	});
}

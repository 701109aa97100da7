import { squaredNorm } from "../../../src/shared/federated/kernels.ts";
import { encode } from "../../../src/shared/federated/encode.ts";
import type { Encoding } from "../../../src/shared/federated/encoding.ts";
import { hexOf, sha256 } from "./encode-text.ts";
import { ClientError } from "./errors.ts";
import type { Plan, Report, Task } from "./messages.ts";
import type { Store } from "./store.ts";

/** An update as it is sent; its parts lie in the store beside it. */
export interface PreparedUpdate {
	readonly id: string;
	readonly encoding: Encoding;
	/** SHA-256 of each part. */
	readonly digests: readonly string[];
	readonly bytes: number;
	readonly report: Report;
}

const UPDATE = "update";
const PARTS = "part.";

/** The update that a client is sending, so kept that whoever starts after a crash sends the same. */
export class UpdateStore {
	readonly #store: Store;

	constructor(store: Store) {
		this.#store = store;
	}

	async read(): Promise<PreparedUpdate | null> {
		const bytes = await this.#store.read(UPDATE);
		return bytes && (JSON.parse(new TextDecoder().decode(bytes)) as PreparedUpdate);
	}

	async part(number: number): Promise<Uint8Array<ArrayBuffer>> {
		const bytes = await this.#store.read(PARTS + number);
		if (!bytes) throw new Error(`part ${number} of the update is not in the store`);
		return bytes;
	}

	/** Cuts what training has changed into the plan's parts. It is there once all of it is. */
	async prepare(
		{ update: id }: Task,
		{ encoding, parts }: Plan,
		base: Float32Array,
		trained: Float32Array,
		report: Report,
	): Promise<PreparedUpdate> {
		await this.clear();
		const digests: string[] = [];
		let sent = 0;
		for (const { part, begin, end, bytes } of parts) {
			const delta = new Float32Array(end - begin);
			for (let i = 0; i < delta.length; i++) delta[i] = trained[begin + i]! - base[begin + i]!;
			if (!Number.isFinite(squaredNorm(delta))) {
				const index = begin + delta.findIndex((value) => !Number.isFinite(value));
				throw new ClientError("update_not_finite", `parameter ${index} of the trained model is not finite`);
			}
			const encoded = encode(encoding, delta);
			if (encoded.length !== bytes) {
				throw new ClientError("answer_invalid", `part ${part} has ${encoded.length} bytes, not the plan's ${bytes}`);
			}
			digests.push(hexOf(await sha256(encoded)));
			sent += encoded.length;
			await this.#store.write(PARTS + part, encoded);
		}
		const update = { id, encoding, digests, bytes: sent, report };
		await this.#store.write(UPDATE, new TextEncoder().encode(JSON.stringify(update)));
		return update;
	}

	/** Parts without an update belong to none. */
	async clear(): Promise<void> {
		await this.#store.remove(UPDATE);
		for (const name of await this.#store.names(PARTS)) await this.#store.remove(name);
	}
}

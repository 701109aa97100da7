import { decode } from "../../../src/shared/federated/decode.ts";
import { encodedBytes, type Encoding } from "../../../src/shared/federated/encoding.ts";
import { download } from "./download.ts";
import { ClientError, RequestError } from "./errors.ts";
import type { OnEvent } from "./events.ts";
import type { Task } from "./messages.ts";
import { Model, readSafetensors } from "./model.ts";
import type { Store } from "./store.ts";
import type { Transport } from "./transport.ts";

export interface PullOptions {
	/** Only what comes in `f32` can be checked against the version's digest. */
	readonly dtype: "f32" | "f16" | "bf16";
	/** Pull what was added to the newest version that is here and was checked, in this encoding, where that is less. It rounds, but its
	 *  errors do not add up: it is always asked for since a version that came whole. Null: always whole versions. */
	readonly delta: Encoding | null;
}

type Version = Task["base"];

/** Digest of the whole version in the store. */
const WHOLE = "whole";
/** A version that came wrong so often is not asked for again. */
const PULLS_MAX = 2;

/** The versions that a client trains from, pulled once each. */
export class Versions {
	readonly #transport: Transport;
	readonly #store: Store;
	readonly #options: PullOptions;
	readonly #onEvent: OnEvent;
	#whole: { readonly digest: string; readonly model: Model } | null = null;

	constructor(transport: Transport, store: Store, options: PullOptions, onEvent: OnEvent) {
		this.#transport = transport;
		this.#store = store;
		this.#options = options;
		this.#onEvent = onEvent;
	}

	/** The version's weights. They are this object's: train a copy. */
	async model(version: Version): Promise<Model> {
		if (this.#whole?.digest === version.digest) return this.#whole.model;
		const model = await this.#byDelta(version);
		return model ?? this.#pullWhole(version);
	}

	async #pullWhole(version: Version): Promise<Model> {
		const { dtype } = this.#options;
		const name = `model.${version.digest}.${dtype}`;
		for (let attempt = 1; attempt <= PULLS_MAX; attempt++) {
			const file = await this.#download(name, version, `/versions/${version.digest}?dtype=${dtype}`);
			const model = await this.#checked(file, version.digest);
			if (!model) {
				await this.#removeBut(null);
				continue;
			}
			await this.#store.write(WHOLE, new TextEncoder().encode(version.digest));
			await this.#removeBut(name);
			this.#whole = { digest: version.digest, model };
			return model;
		}
		throw new ClientError("digest_mismatch", `version ${version.version} came wrong ${PULLS_MAX} times`);
	}

	/** The model of a file that came as it was sent, as far as that can be seen; else null. */
	async #checked(file: Uint8Array<ArrayBuffer>, digest: string): Promise<Model | null> {
		try {
			const model = readSafetensors(file);
			return this.#options.dtype !== "f32" || (await model.digest()) === digest ? model : null;
		} catch (error) {
			if (error instanceof ClientError) return null;
			throw error;
		}
	}

	/** Null where a whole version has to be pulled. */
	async #byDelta(version: Version): Promise<Model | null> {
		const { delta, dtype } = this.#options;
		if (!delta || encodedBytes(delta, 256) >= encodedBytes(dtype, 256)) return null;
		const whole = this.#whole ?? (await this.#stored());
		if (!whole) return null;
		if (whole.digest === version.digest) return whole.model;
		const name = `delta.${version.digest}.${delta}`;
		try {
			const path = `/versions/${version.digest}/delta?since=${whole.digest}&dtype=${delta}`;
			const bytes = await this.#download(name, version, path);
			const added = new Float32Array(whole.model.values.length);
			if (bytes.length !== encodedBytes(delta, added.length)) return null;
			decode(delta, bytes, added);
			for (let i = 0; i < added.length; i++) added[i] = added[i]! + whole.model.values[i]!;
			return new Model(whole.model.manifest, added);
		} catch (error) {
			// The version that is here may be one that the run has collected.
			if (error instanceof RequestError && (error.status === 404 || error.status === 410)) return null;
			throw error;
		} finally {
			await this.#removeBut(`model.${whole.digest}.${dtype}`);
		}
	}

	/** What a process before this one has pulled; null if it is not whole. */
	async #stored() {
		const bytes = await this.#store.read(WHOLE);
		if (!bytes) return null;
		const digest = new TextDecoder().decode(bytes);
		const { dtype } = this.#options;
		const chunks = await this.#store.names(`model.${digest}.${dtype}.`);
		if (chunks.length === 0) return null;
		try {
			const version = { version: NaN, digest };
			const file = await this.#download(`model.${digest}.${dtype}`, version, `/versions/${digest}?dtype=${dtype}`);
			const model = await this.#checked(file, digest);
			return model && (this.#whole = { digest, model });
		} catch (error) {
			if (error instanceof RequestError) return null;
			throw error;
		}
	}

	#download(name: string, { version }: Version, path: string): Promise<Uint8Array<ArrayBuffer>> {
		return download(
			this.#transport,
			this.#store,
			name,
			path,
			(progress) => this.#onEvent({ type: "pulling", version, ...progress }),
			(bytes) => this.#onEvent({ type: "resumed", bytes }),
		);
	}

	async #removeBut(kept: string | null): Promise<void> {
		for (const prefix of ["model.", "delta."]) {
			for (const name of await this.#store.names(prefix)) {
				if (kept === null || !name.startsWith(`${kept}.`)) await this.#store.remove(name);
			}
		}
	}
}

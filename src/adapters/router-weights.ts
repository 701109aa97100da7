import type { Estimator } from "../shared/router/prompt-estimate.ts";
import { createEstimator } from "../shared/router/estimator/estimator.ts";
import { readWeights } from "../shared/router/weights/read.ts";
import { WEIGHTS_BYTES_MAX } from "../shared/router/weights/layout.ts";
import type { Seconds } from "../shared/units.ts";
import { within } from "./catalog-deadline.ts";

/** Where an isolate's estimator comes from. */
export interface EstimatorSource {
	/** Null where there is none for now: prompts are routed without being judged. Never rejects. */
	estimator(): Promise<Estimator | null>;
}

/** The name is of no host: the binding looks at the path alone. */
const WEIGHTS_URL = "https://assets.invalid/router/default.bin";
/** How long the first request of an isolate waits for the weights. */
const DEADLINE_SECONDS: Seconds = 1;
/** How long nobody tries again after a failure. */
const RETRY_SECONDS: Seconds = 30;

/** Reads the weights that were deployed with the Worker, once an isolate. Fails open on purpose: a prompt that is not judged goes to
 *  the incumbent. */
export class AssetEstimator implements EstimatorSource {
	readonly #assets: Pick<Fetcher, "fetch">;
	#estimator: Estimator | null = null;
	#failedAt: Seconds = -Infinity;

	constructor(assets: Pick<Fetcher, "fetch">) {
		this.#assets = assets;
	}

	async estimator(): Promise<Estimator | null> {
		if (this.#estimator) return this.#estimator;
		if (Date.now() / 1_000 - this.#failedAt < RETRY_SECONDS) return null;
		try {
			// Each request that comes before the first has done so reads for itself: none can wait for another's I/O.
			const bytes = await within(DEADLINE_SECONDS, this.#read());
			if (bytes === null) throw new Error(`not read in ${DEADLINE_SECONDS} s`);
			this.#estimator ??= decoded(bytes);
		} catch (error) {
			this.#failedAt = Date.now() / 1_000;
			const reason = error instanceof Error ? error.message : String(error);
			console.warn(JSON.stringify({ event: "router_weights", error: reason }));
		}
		return this.#estimator;
	}

	async #read(): Promise<Uint8Array> {
		const answer = await this.#assets.fetch(WEIGHTS_URL);
		const length = Number(answer.headers.get("content-length") ?? 0);
		if (!answer.ok || length > WEIGHTS_BYTES_MAX) {
			await answer.body?.cancel();
			throw new Error(answer.ok ? `${length} bytes of at most ${WEIGHTS_BYTES_MAX}` : `status ${answer.status}`);
		}
		return new Uint8Array(await answer.arrayBuffer());
	}
}

function decoded(bytes: Uint8Array): Estimator {
	const weights = readWeights(bytes);
	if (!weights.ok) throw new Error(`the weights cannot be used: ${JSON.stringify(weights.error)}`);
	return createEstimator(weights.value);
}

let source: EstimatorSource | undefined;

/** This isolate's, of the weights that were deployed with it. */
export function isolateEstimator(env: Pick<Env, "ASSETS">): EstimatorSource {
	return (source ??= new AssetEstimator(env.ASSETS));
}

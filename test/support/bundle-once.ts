import { bundleWorker } from "../../scripts/bundle.ts";

/** Before the files that start a Worker: built once here, it is found in the cache by all of them. */
export async function setup(): Promise<void> {
	await bundleWorker();
}

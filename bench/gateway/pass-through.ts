import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { bundleWorker } from "../../scripts/bundle.ts";
import { runWorkers } from "../../scripts/workerd.ts";
import { CHAT_PATH, type Contender } from "./contender.ts";

/** The least that a gateway can be on this platform, in a workerd of its own that is run as Isobar's is. */
export async function startPassThrough(upstream: string): Promise<Contender> {
	const file = "pass-through.mjs";
	const contents = await readFile(join(import.meta.dirname, file), "utf8");
	const { compatibilityDate } = await bundleWorker();
	const { urls, stop } = await runWorkers({
		workers: [
			{
				name: "pass-through",
				modules: [{ type: "ESModule", path: file, contents }],
				compatibilityDate,
				bindings: { UPSTREAM: upstream },
			},
		],
	});
	return { id: "pass_through", title: "pass-through", url: `${urls[0]!.origin}${CHAT_PATH}`, headers: {}, stop };
}

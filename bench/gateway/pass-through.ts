import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { bundleWorker } from "../../scripts/bundle.ts";
import { runWorkers } from "../../scripts/workerd.ts";
import { CHAT_PATH, type Contender } from "./contender.ts";

/** The least that a gateway can be on this platform, in a workerd of its own that is run as Isobar's is. */
export function startPassThrough(upstream: string): Promise<Contender> {
	return start({ id: "pass_through", title: "pass-through" }, "pass-through.mjs", upstream);
}

/** The least that a gateway can be that asks one Durable Object for each request and reads the answer before it goes on. */
export function startOneCall(upstream: string): Promise<Contender> {
	return start({ id: "one_call", title: "one object call" }, "one-call.mjs", upstream, { CHOOSER: "Chooser" });
}

async function start(
	who: Pick<Contender, "id" | "title">,
	file: string,
	upstream: string,
	durableObjects: Readonly<Record<string, string>> = {},
): Promise<Contender> {
	const contents = await readFile(join(import.meta.dirname, file), "utf8");
	const { compatibilityDate } = await bundleWorker();
	const { urls, stop } = await runWorkers({
		workers: [
			{
				name: who.id,
				modules: [{ type: "ESModule", path: file, contents }],
				compatibilityDate,
				bindings: { UPSTREAM: upstream },
				durableObjects: { ...durableObjects },
			},
		],
	});
	return { ...who, url: `${urls[0]!.origin}${CHAT_PATH}`, headers: {}, stop };
}

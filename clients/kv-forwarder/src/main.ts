#!/usr/bin/env node
import { ZmqEngine } from "./engine.ts";
import { Forwarder } from "./forwarder.ts";
import { HttpGateway } from "./gateway.ts";
import { endpointOf, readOptions, USAGE, type Options } from "./options.ts";

/** vLLM's default buffer of batches, twice. */
const BUFFER_FRAMES = 20_000;
/** Within the gateway's limits of 1,024 batches and 8 MiB a request. */
const REQUEST = { framesMax: 256, bytesMax: 2 * 1024 * 1024 };
const REPORT_SECONDS = 60;

function start(options: Options, rank: number): Forwarder {
	const { gateway: url, key, replica, topic, replay } = options;
	const engine = new ZmqEngine({
		events: endpointOf(options.events, rank),
		replay: replay === null ? null : endpointOf(replay, rank),
		topic,
		replaySeconds: 5,
	});
	const gateway = new HttpGateway({ url, key, replica, rank, topic, timeoutSeconds: 30 });
	return new Forwarder(engine, gateway, {
		buffer: { framesMax: BUFFER_FRAMES, bytesMax: options.bufferBytes },
		request: REQUEST,
		lingerSeconds: options.lingerSeconds,
		backOffSeconds: { first: 0.5, max: 30 },
		drainSeconds: 5,
		log: (event, facts) => log(event, { rank, ...facts }),
		random: Math.random,
	});
}

/** One line of JSON. Holds no key and no token ids. */
function log(event: string, facts: Readonly<Record<string, unknown>>): void {
	process.stderr.write(`${JSON.stringify({ at: new Date().toISOString(), event, ...facts })}\n`);
}

try {
	const options = readOptions(process.argv.slice(2), process.env);
	const forwarders = options.ranks.map((rank) => start(options, rank));
	const report = () => {
		for (const [index, { counts }] of forwarders.entries()) log("counts", { rank: options.ranks[index], ...counts });
	};
	const timer = setInterval(report, REPORT_SECONDS * 1_000);
	for (const signal of ["SIGINT", "SIGTERM"] as const) {
		process.once(signal, () => {
			for (const forwarder of forwarders) forwarder.stop();
		});
	}
	log("started", {
		gateway: options.gateway,
		replica: options.replica,
		events: options.events,
		replay: options.replay,
	});
	await Promise.all(forwarders.map((forwarder) => forwarder.run()));
	clearInterval(timer);
	report();
} catch (error) {
	process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
	process.exitCode = 1;
}

import type { BehaviourChange } from "./behaviour.ts";
import { StartsUnderWay } from "./cold-starts.ts";
import { createControl } from "./control.ts";
import { HttpServer, listening } from "./http-server.ts";
import { settingsOf, type ReplicaOptions } from "./options.ts";
import { KvPublisher } from "./kv-publisher.ts";
import type { RecordedRequest } from "./recorder.ts";
import { Replica, type ReplicaState } from "./replica.ts";

export interface SimulatorOptions {
	readonly replicas: readonly ReplicaOptions[];
	/** Of all that is drawn: lengths and texts of answers, cold starts, which requests meet a fault. Default 1. */
	readonly seed?: number;
	/** Default 127.0.0.1. */
	readonly host?: string;
	/** Default: a free port. */
	readonly controlPort?: number;
}

export interface SimulatedReplica {
	readonly name: string;
	/** Without `/v1`; with the provider's own path before the engine's. */
	readonly url: string;
	behave(change: BehaviourChange): void;
	state(): ReplicaState;
	/** The last requests to any path, oldest first (`recordRequests` of them). */
	lastRequests(): RecordedRequest[];
	/** Counters, recorded requests, caches and behaviour as they were at the start. */
	reset(): void;
	/** Its publisher of KV events; null: it has none. */
	readonly kvEvents: KvPublisher | null;
}

export interface Simulator {
	readonly replicas: readonly SimulatedReplica[];
	readonly controlUrl: string;
	/** The replica of this name. Throws when there is none. */
	replica(name: string): SimulatedReplica;
	close(): Promise<void>;
}

/** Starts replicas that speak HTTP as vLLM's OpenAI server does, and their control endpoint. Throws when two have the same
 *  name; rejects when a port is taken. */
export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
	const names = new Set(options.replicas.map(({ name }) => name));
	if (names.size < options.replicas.length) throw new Error("two replicas have the same name");
	const host = options.host ?? "127.0.0.1";
	const servers: HttpServer[] = [];
	const publishers: KvPublisher[] = [];
	try {
		const replicas: SimulatedReplica[] = [];
		const startsUnderWay = new StartsUnderWay();
		for (const each of options.replicas) {
			const publisher = each.kvEvents ? await KvPublisher.open(each.kvEvents) : null;
			if (publisher) publishers.push(publisher);
			const replica = new Replica(settingsOf(each), options.seed ?? 1, publisher, startsUnderWay);
			const server = await HttpServer.listen(replica, host);
			servers.push(server);
			replicas.push(handle(replica, server));
		}
		const control = createControl(replicas);
		const controlPort = await listening(control, options.controlPort ?? 0, host);
		const close = async () => {
			control.closeAllConnections();
			control.close();
			await closeAll([...servers, ...publishers]);
		};
		const byName = (name: string) => {
			const found = replicas.find((candidate) => candidate.name === name);
			if (!found) throw new Error(`no such replica: ${name}`);
			return found;
		};
		return { replicas, controlUrl: `http://${host}:${controlPort}`, replica: byName, close };
	} catch (error) {
		await closeAll([...servers, ...publishers]);
		throw error;
	}
}

function handle(replica: Replica, server: HttpServer): SimulatedReplica {
	return {
		name: replica.settings.name,
		url: server.url,
		behave: (change) => replica.behave(change),
		state: () => replica.state,
		lastRequests: () => replica.recorder.list(),
		reset: () => replica.reset(),
		kvEvents: replica.publisher,
	};
}

async function closeAll(open: readonly { close(): Promise<void> }[]): Promise<void> {
	await Promise.all(open.map((each) => each.close()));
}

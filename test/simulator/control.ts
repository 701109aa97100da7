import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { parseBehaviourChange } from "./behaviour.ts";
import type { SimulatedReplica } from "./simulator.ts";

const PATH = /^\/control\/replicas(?:\/([^/]+)(?:\/(requests|reset))?)?$/;

/** The control endpoint, which no real server has: reads and changes replicas from another process.
 *
 *  GET  /control/replicas                  every replica's name, URL and state
 *  GET  /control/replicas/{name}           one
 *  POST /control/replicas/{name}           a behaviour change as JSON; answers with the new state
 *  GET  /control/replicas/{name}/requests  the recorded requests
 *  POST /control/replicas/{name}/reset */
export function createControl(replicas: readonly SimulatedReplica[]): Server {
	return createServer((request, response) => {
		const chunks: Buffer[] = [];
		request.on("data", (chunk: Buffer) => chunks.push(chunk));
		request.on("end", () => {
			const { status, value } = answer(replicas, request, Buffer.concat(chunks).toString());
			send(response, status, value);
		});
	});
}

interface Answer {
	readonly status: number;
	readonly value: unknown;
}

function answer(replicas: readonly SimulatedReplica[], request: IncomingMessage, body: string): Answer {
	const match = PATH.exec((request.url ?? "").split("?", 1)[0] ?? "");
	if (!match) return problem(404, "no such path");
	const [, name, action] = match;
	if (name === undefined)
		return request.method === "GET" ? { status: 200, value: replicas.map(view) } : problem(405, "GET only");
	const replica = replicas.find((candidate) => candidate.name === decodeURIComponent(name));
	if (!replica) return problem(404, `no such replica: ${name}`);
	switch (`${request.method} ${action ?? ""}`) {
		case "GET ":
			return { status: 200, value: view(replica) };
		case "POST ":
			return change(replica, body);
		case "GET requests":
			return { status: 200, value: replica.lastRequests() };
		case "POST reset":
			replica.reset();
			return { status: 200, value: view(replica) };
		default:
			return problem(405, "method not allowed");
	}
}

function change(replica: SimulatedReplica, body: string): Answer {
	let value: unknown;
	try {
		value = JSON.parse(body);
	} catch {
		return problem(400, "the body is not JSON");
	}
	const parsed = parseBehaviourChange(value);
	if (!parsed.ok) return problem(400, parsed.error);
	replica.behave(parsed.value);
	return { status: 200, value: view(replica) };
}

function view(replica: SimulatedReplica): object {
	return { ...replica.state(), url: replica.url };
}

function problem(status: number, message: string): Answer {
	return { status, value: { error: message } };
}

function send(response: ServerResponse, status: number, value: unknown): void {
	response.writeHead(status, { "content-type": "application/json" });
	response.end(`${JSON.stringify(value)}\n`);
}

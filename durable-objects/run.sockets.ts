import { errorResponse, isobarError } from "../src/shared/http/errors.ts";
import { clock, type RunContext } from "./run.context.ts";
import type { RunWork } from "./run.work.ts";

/** Longer messages are none of ours. */
const MESSAGE_LENGTH_MAX = 1_000;

/** WebSockets of clients. They hibernate: a run that waits costs nothing, however many listen. A socket only says earlier what
 *  asking for a task says too. */
export class RunSockets {
	readonly #ctx: DurableObjectState;
	readonly #context: RunContext;
	readonly #work: RunWork;

	constructor(ctx: DurableObjectState, context: RunContext, work: RunWork) {
		this.#ctx = ctx;
		this.#context = context;
		this.#work = work;
		ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
		context.onWork = () => void this.#tellAll();
	}

	/** Takes a socket whose ticket's hash stands in the header `x-isobar-ticket`. The client is told its task at once. */
	async accept(request: Request): Promise<Response> {
		const hash = request.headers.get("x-isobar-ticket") ?? "";
		const client = this.#context.transact(() => this.#context.members.takeTicket(hash, clock()));
		if (client === null) {
			return errorResponse(isobarError("ticket_invalid", "The ticket is not known, was used or has expired"));
		}
		const { 0: theirs, 1: ours } = new WebSocketPair();
		this.#ctx.acceptWebSocket(ours, [client]);
		ours.serializeAttachment(client);
		await this.#tell(ours);
		return new Response(null, { status: 101, webSocket: theirs });
	}

	async message(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
		if (typeof message === "string" && message.length <= MESSAGE_LENGTH_MAX && typeOf(message) === "task") {
			return this.#tell(socket);
		}
		socket.send(JSON.stringify({ type: "error", message: 'Send {"type":"task"}, or ping' }));
	}

	async #tellAll(): Promise<void> {
		for (const socket of this.#ctx.getWebSockets()) {
			// What goes wrong with one is not the others' loss; its client asks when it is back.
			await this.#tell(socket).catch((error: unknown) => this.#context.warn("socket_not_told", error));
		}
	}

	async #tell(socket: WebSocket): Promise<void> {
		if (this.#context.store.isDeleting) return socket.close(4004, "deleted");
		const client = socket.deserializeAttachment() as string;
		const member = this.#context.members.member(client);
		if (!member || member.state === "expelled") return socket.close(4003, "expelled");
		const answer = await this.#work.ask(member, null, clock());
		try {
			socket.send(JSON.stringify({ type: "task", ...answer }));
		} catch {
			// It is closed; the client asks when it is back.
		}
	}
}

function typeOf(message: string): unknown {
	try {
		return (JSON.parse(message) as { type?: unknown } | null)?.type;
	} catch {
		return undefined;
	}
}

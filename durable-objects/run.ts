import { DurableObject } from "cloudflare:workers";
import type { Manifest } from "../src/shared/federated/manifest.ts";
import type { Specification } from "../src/shared/federated/specification.ts";
import { isobarError, type IsobarError } from "../src/shared/http/errors.ts";
import { err, ok, type Result } from "../src/shared/result.ts";
import type { Seconds } from "../src/shared/units.ts";
import type {
	ClientKey,
	Commit,
	NewClient,
	NewInvitation,
	OpenUpdate,
	RunAction,
	RunFacts,
	RunPort,
	Shown,
	ShownEvent,
	VersionName,
	WeightsFileHead,
} from "./run.messages.ts";
import { RUN_MIGRATIONS } from "./run.migrations.ts";
import type { RunRoom } from "./run.room.ts";
import type { GramProgress, VersionProgress } from "./shard.messages.ts";
import { migrate } from "./sql-migrations.ts";

type Reply<T = Shown> = Promise<Result<T, IsobarError>>;

/** One federated run: its rounds, who takes part, what counts, and its versions. Its name is its id. What it decides stands in its rows
 *  before anybody hears of it. The rules are loaded with the first call, not with the isolate. */
export class Run extends DurableObject<Env> implements RunPort {
	#room: Promise<RunRoom> | null = null;

	async create(id: string, tenant: string, specification: Specification, manifest: Manifest): Reply {
		migrate(this.ctx.storage, RUN_MIGRATIONS);
		const { lifecycle } = await this.#open();
		return ok(await lifecycle.create(id, tenant, specification, manifest));
	}

	async facts(): Promise<RunFacts | null> {
		return (await this.#find())?.facts ?? null;
	}

	show(): Reply {
		return this.#with(async (room) => ok(room.show()));
	}

	async brief(): Promise<Shown | null> {
		const room = await this.#find();
		return room?.facts ? room.brief() : null;
	}

	change(action: RunAction): Reply {
		return this.#with(({ lifecycle }) => lifecycle.change(action));
	}

	rollback(version: number): Reply {
		return this.#with(({ lifecycle }) => lifecycle.rollback(version));
	}

	remove(): Reply {
		return this.#with(async ({ lifecycle }) => ok(await lifecycle.remove()));
	}

	weightsFile(): Reply<WeightsFileHead | null> {
		return this.#with(async ({ lifecycle }) => lifecycle.weightsFile());
	}

	beginWeightsFile(file: Omit<WeightsFileHead, "epoch">): Reply<WeightsFileHead> {
		return this.#with(async ({ lifecycle }) => lifecycle.beginWeightsFile(file));
	}

	invite(invitation: NewInvitation): Reply {
		return this.#with(async ({ membership }) => ok(membership.invite(invitation)));
	}

	invitations(): Reply {
		return this.#with(async ({ membership }) => ok(membership.invitations()));
	}

	endInvitation(id: string): Reply {
		return this.#with(async ({ membership }) => membership.endInvitation(id));
	}

	join(client: NewClient): Reply<{ readonly isNew: boolean; readonly client: Shown }> {
		return this.#with(async ({ membership }) => membership.join(client));
	}

	async client(client: string): Promise<ClientKey | null> {
		const room = await this.#find();
		return room?.facts ? room.membership.client(client) : null;
	}

	clients(after: string, limit: number): Reply {
		return this.#with(async ({ membership }) => ok(membership.clients(after, limit)));
	}

	expel(client: string): Reply {
		return this.#with(({ membership }) => membership.expel(client));
	}

	task(client: string, loss: number | null, waitSeconds: Seconds): Reply {
		return this.#with(({ work }) => work.task(client, loss, waitSeconds));
	}

	makeTicket(client: string, ticketHash: string, expiresAt: Seconds): Reply<null> {
		return this.#with(async ({ membership }) => membership.makeTicket(client, ticketHash, expiresAt));
	}

	openUpdate(client: string, update: string): Reply<OpenUpdate> {
		return this.#with(({ work }) => work.openUpdate(client, update));
	}

	reopen(client: string, update: string): Reply<OpenUpdate> {
		return this.#with(({ work }) => work.reopen(client, update));
	}

	update(update: string): Reply<Shown | OpenUpdate> {
		return this.#with(async ({ work }) => work.update(update));
	}

	commit(client: string, update: string, commit: Commit): Reply {
		return this.#with(({ work }) => work.commit(client, update, commit));
	}

	version(name: string): Reply<VersionName> {
		return this.#with(async ({ watching }) => watching.version(name));
	}

	versions(before: number, limit: number): Reply {
		return this.#with(async ({ watching }) => ok(watching.versions(before, limit)));
	}

	rounds(after: number, limit: number): Reply {
		return this.#with(async ({ watching }) => ok(watching.rounds(after, limit)));
	}

	participation(after: string, limit: number): Reply {
		return this.#with(async ({ watching }) => ok(watching.participation(after, limit)));
	}

	audit(after: number, limit: number): Reply {
		return this.#with(async ({ watching }) => ok(await watching.audit(after, limit)));
	}

	events(after: number, waitSeconds: Seconds): Reply<readonly ShownEvent[]> {
		return this.#with(async ({ watching }) => ok(await watching.events(after, waitSeconds)));
	}

	async shardSummed(version: number, attempt: number, shard: number, progress: GramProgress): Promise<void> {
		const room = await this.#find();
		if (room?.facts) await room.flush.shardSummed(version, attempt, shard, progress);
	}

	async shardMade(version: number, attempt: number, shard: number, progress: VersionProgress): Promise<void> {
		const room = await this.#find();
		if (room?.facts) await room.flush.shardMade(version, attempt, shard, progress);
	}

	/** Takes the WebSocket of a client with a ticket. */
	override async fetch(request: Request): Promise<Response> {
		const room = await this.#find();
		return room?.facts ? room.sockets.accept(request) : new Response(null, { status: 404 });
	}

	override async webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
		const room = await this.#find();
		if (room?.facts) await room.sockets.message(socket, message);
	}

	override async webSocketClose(socket: WebSocket, code: number): Promise<void> {
		// What the platform closed with is not always what may be sent.
		socket.close(code === 1000 || (code >= 3000 && code <= 4999) ? code : 1000);
	}

	override async alarm(): Promise<void> {
		await (await this.#find())?.alarm();
	}

	async #with<T>(call: (room: RunRoom) => Reply<T>): Reply<T> {
		const room = await this.#find();
		return room?.facts ? call(room) : err(isobarError("run_not_found", "There is no such run"));
	}

	/** The run, if it was created; one that is being deleted has no facts. Asking for one that was not writes nothing. */
	async #find(): Promise<RunRoom | null> {
		const { sql } = this.ctx.storage;
		const tables = sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'migrations'").toArray();
		if (tables.length === 0) return (this.#room = null);
		migrate(this.ctx.storage, RUN_MIGRATIONS);
		const room = await this.#open();
		return room.isThere ? room : null;
	}

	#open(): Promise<RunRoom> {
		return (this.#room ??= import("./run.room.ts").then(async ({ RunRoom }) => {
			const room = new RunRoom(this.ctx, this.env);
			await room.wake();
			return room;
		}));
	}
}

import type { LocationHint } from "../../src/shared/catalog/schema.ts";
import type { LeaseReply, LeaseRequest, LedgerPort } from "../../src/shared/ledger/messages.ts";
import type { SchedulerPort } from "../../src/shared/scheduler/messages.ts";
import type { Settings } from "../../src/shared/settings.ts";
import type { Seconds } from "../../src/shared/units.ts";
import type { Carriers } from "./post.ts";

/** Rejects when `promise` takes longer. The call itself goes on: callers must bear its late effect. */
export async function withinDeadline<T>(seconds: Seconds, promise: Promise<T>): Promise<T> {
	let timer: ReturnType<typeof setTimeout> | undefined;
	const late = new Promise<never>((_, reject) => {
		timer = setTimeout(() => reject(new Error(`no answer in ${seconds} s`)), seconds * 1_000);
	});
	try {
		return await Promise.race([promise, late]);
	} finally {
		clearTimeout(timer);
	}
}

export function schedulerOf(env: Env, name: string, options: { locationHint?: LocationHint } = {}): SchedulerPort {
	return env.SCHEDULER.getByName(name, options);
}

export function ledgerOf(env: Env, tenant: string): LedgerPort {
	return env.LEDGER.getByName(tenant);
}

export function askLedger(
	env: Env,
	tenant: string,
	holder: string,
	settings: Settings,
): (request: LeaseRequest) => Promise<LeaseReply> {
	return (request) => withinDeadline(settings.ledgerDeadlineSeconds, ledgerOf(env, tenant).lease(request, holder));
}

/** The post's way out, in this request. */
export function carriers(env: Env, holder: string, settings: Settings): Carriers {
	const deadline = settings.ledgerDeadlineSeconds;
	return {
		toScheduler: (name, mail) => withinDeadline(deadline, schedulerOf(env, name).mail(mail)),
		toLedger: (tenant, mail) => withinDeadline(deadline, ledgerOf(env, tenant).mail(mail, holder)),
		now: () => Date.now() / 1_000,
		sleep: (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1_000)),
	};
}

/** A flush that goes on when the client hangs up: what it has taken out of the queues must arrive. */
export function flushed(flush: Promise<void>, ctx: ExecutionContext): Promise<void> {
	ctx.waitUntil(flush);
	return flush;
}

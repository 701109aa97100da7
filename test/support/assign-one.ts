import type {
	AssignReply,
	AssignRequest,
	Bill,
	SchedulerMail,
	SchedulerPort,
} from "../../src/shared/scheduler/messages.ts";

/** Asks a scheduler for one request alone. Throws where it fails on that. */
export async function assignOne(
	port: Pick<SchedulerPort, "assign">,
	request: AssignRequest,
	mail: SchedulerMail = { first: [], ended: [], renewals: [] },
): Promise<{ readonly reply: AssignReply; readonly bills: readonly Bill[] }> {
	const { replies, bills } = await port.assign([request], mail);
	const [reply] = replies;
	if (!reply) throw new Error("the scheduler failed on the request");
	return { reply, bills };
}

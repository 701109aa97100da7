import { createServer } from "node:net";

/** Whether something else listens at this port of the host already. */
export function isTaken(port: number, host: string): Promise<boolean> {
	const server = createServer();
	return new Promise((resolve, reject) => {
		server.once("error", (error: NodeJS.ErrnoException) => {
			if (error.code === "EADDRINUSE") resolve(true);
			else reject(error);
		});
		server.listen(port, host, () => server.close(() => resolve(false)));
	});
}

import { connect, type Socket } from "node:net";

/** Sends a POST on a connection of its own and reads nothing: a client that can hang up at any moment. */
export async function rawPost(url: string, key: string, body: string): Promise<Socket> {
	const { hostname, port, pathname } = new URL(url);
	const socket = connect(Number(port), hostname);
	// The reset that the test asks for is no error of the test's.
	socket.on("error", () => {});
	await new Promise<void>((resolve, reject) => {
		socket.once("connect", resolve);
		socket.once("error", reject);
	});
	socket.write(
		`POST ${pathname} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nAuthorization: Bearer ${key}\r\n` +
			`Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
	);
	return socket;
}

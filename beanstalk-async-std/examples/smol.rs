//! The same client on smol: by an address, or on a stream that smol has opened.
//!
//! ```text
//! cargo run -p beanstalk-async-std --example smol
//! ```

use beanstalk_async_std::{Client, SharedClient};
use beanstalk_server::EmbeddedServer;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = EmbeddedServer::start()?;
    let address = server.addr().to_string();
    smol::block_on(async {
        let mut client = Client::connect(&address).await?;
        let id = client.put(0, 0, 60, "by an address").await?.id();
        println!("job {id}: {:?}", client.reserve().await?.job().ok_or("no job")?.text()?);
        client.delete(id).await?;
        client.disconnect().await?;

        let stream = smol::net::TcpStream::connect(address.as_str()).await?;
        stream.set_nodelay(true)?;
        let (client, driver) = SharedClient::from_stream(stream);
        let driver = smol::spawn(driver);
        let id = client.put_in("greetings", 0, 0, 60, "on smol's own stream").await?.id();
        println!("job {id}: {:?}", client.peek(id).await?.text()?);
        drop(client);
        driver.await?;
        Ok(())
    })
}

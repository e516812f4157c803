"""Between granian and the application: bodies arrive here, not in request threads (docs/adr/0032).

granian parses HTTP and calls our event loop (RSGI). The loop answers health, refuses what no thread has to see, receives the body
under a deadline, and hands a whole request to a bounded number of threads that run the WSGI application.

    head        what came before the body, as a WSGI environ; requests that could be read in two ways are refused
    bodies      how large and how slow a body may be, by address
    incoming    a body on its way: whole in memory when it is short, piece by piece to a thread of its own kind when it is long
    threads     the threads that run the application
    health      /healthz and /readyz, answered whatever the threads are doing
    bridge      the order of these things: what granian calls
    leaving     how a worker ends without losing what a proxy has begun to send
    process     one worker process: wires a hub and builds its bridge
    run         granian itself: sockets, processes, limits on connections
"""
